"""Batches hold every rollout once and in order; of many, the last are smaller."""

from __future__ import annotations

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from leyden_store import batches
from leyden_store.batches import Row, in_batches


def rows(count: int, *, named: bool = True) -> list[Row]:
    return [{"rollout_id": f"r{n}", "trace_ids": [f"t{n}" if named else f"r{n}"]} for n in range(count)]


@given(st.lists(st.tuples(st.integers(0, 3000), st.booleans()), max_size=5))
def test_every_rollout_is_in_one_batch_in_order(runs: list[tuple[int, bool]]) -> None:
    given_rows = [row for count, named in runs for row in rows(count, named=named)]
    cut = in_batches(given_rows)
    assert list(chain.from_iterable(cut)) == given_rows
    assert all(1 <= len(batch) <= batches._LARGEST_BATCH for batch in cut)


def test_few_are_cut_alike_and_of_many_the_last_become_smaller() -> None:
    assert [len(batch) for batch in in_batches(rows(1000))] == [384, 384, 232]
    sizes = [len(batch) for batch in in_batches(rows(12_500))]
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-2]) == (384, 96)
    assert sum(size < 384 for size in sizes) < 12


def test_traces_without_a_name_stay_together_to_the_last() -> None:
    sizes = [len(batch) for batch in in_batches(rows(4000, named=False))]
    assert sizes == [1024, 1024, 1024, 928]

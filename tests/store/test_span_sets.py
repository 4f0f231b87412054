"""Sets of spans know no order and no doubles, and keep the hash they have had since the first run was recorded."""

from __future__ import annotations

import hashlib

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from leyden_store.span_sets import SpanSet

KEYS = [("b", "1"), ("a", "2"), ("a", "1"), ("b", "1")]


def test_each_span_is_there_once_in_order() -> None:
    assert list(SpanSet(KEYS)) == [("a", "1"), ("a", "2"), ("b", "1")]
    assert len(SpanSet(KEYS)) == 3


def test_the_hash_knows_no_order_and_no_doubles() -> None:
    assert SpanSet(KEYS).hash == SpanSet(reversed(KEYS[:3])).hash != SpanSet(KEYS[:1]).hash


def test_the_hash_is_that_of_the_keys_a_line_each() -> None:
    assert SpanSet(KEYS).hash == hashlib.sha256(b"a:1\na:2\nb:1").hexdigest()
    assert SpanSet(()).hash == hashlib.sha256(b"").hexdigest()


def test_a_set_is_handed_on_as_it_is() -> None:
    held = SpanSet(KEYS)
    assert SpanSet.of(held) is held
    assert list(SpanSet.of(KEYS)) == list(held)


IDS = st.text(st.sampled_from("0a:é\n"), max_size=3)


@given(st.lists(st.tuples(IDS, IDS)))
def test_it_is_the_set_of_its_keys_from_tuples_and_from_columns(keys: list[tuple[str, str]]) -> None:
    held = SpanSet(keys)
    assert list(held) == sorted(set(keys))
    assert held.hash == hashlib.sha256("\n".join(map(":".join, sorted(set(keys)))).encode()).hexdigest()
    columns = {"span_id": [span for _, span in keys], "more": [1] * len(keys), "trace_id": [trace for trace, _ in keys]}
    texts = pa.schema(
        [pa.field("span_id", pa.string()), pa.field("more", pa.int32()), pa.field("trace_id", pa.string())]
    )
    assert list(SpanSet(pa.table(columns, schema=texts))) == list(held)

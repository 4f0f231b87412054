"""Rollouts are read from half of a span's columns, and are what whole spans give: on every golden capture."""

from __future__ import annotations

from leyden_store.lightning import LightningStore
from leyden_store.reading import read_rollouts
from tests.support.capture_golden import CASES, case_spans
from tests.support.otlp_making import put


def test_rollouts_are_those_of_whole_spans(store: LightningStore) -> None:
    put(store, [span for case in sorted(CASES.iterdir()) if case.is_dir() for span in case_spans(case)])
    prices = store.prices.table()
    whole = {one.rollout_id: prices.priced(one) for one in read_rollouts(store.spans())}
    assert len(whole) > 50
    assert {one.rollout_id: one for one in store.rollouts()} == whole

"""Batches of a store: each reads granules of its own, and what may have to be stitched stays together in time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leyden_store.lightning import LightningStore
from leyden_store.skim import Skimmed
from leyden_store.skim.store import skim_store
from leyden_store.spans import Event, Span
from leyden_store.turns import Rollout
from tests.support.otlp_making import NOW_NS, chat, put

HOUR_NS = 3600 * 10**9
START_NS = NOW_NS // HOUR_NS * HOUR_NS


def order(store: LightningStore) -> list[str]:
    return [
        one.rollout_id if isinstance(one, Rollout) else one.rollout.rollout_id
        for batch in skim_store(store)
        for one in batch
    ]


def test_named_rollouts_come_as_they_lie_and_unnamed_ones_by_time(
    store: LightningStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leyden_store.skim.store._ROLLOUTS", 1)  # the order of batches, not within one
    monkeypatch.setattr("leyden_store.batches._BATCH", 1)
    monkeypatch.setattr("leyden_store.batches._LARGEST_BATCH", 1)
    later = [chat(1, trace=n, rollout_id=f"later-{n}", at_ns=START_NS + HOUR_NS + (90 - n) * 10**9) for n in (11, 12)]
    named = [chat(1, trace=n, rollout_id=f"r{n}", at_ns=START_NS + (90 - n) * 10**9) for n in (21, 22, 23)]
    unnamed = [chat(1, trace=n, at_ns=START_NS + (40 - n) * 10**9) for n in (31, 32)]
    put(store, later, named, unnamed)
    assert order(store) == ["r21", "r22", "r23", "later-11", "later-12", f"{32:032x}", f"{31:032x}"]
    assert order(store) == [one.rollout_id for batch in store.rollout_batches() for one in batch]
    by_time = [f"{32:032x}", f"{31:032x}", "r23", "r22", "r21", "later-12", "later-11"]
    assert [one.rollout_id for one in store.rollouts()] == by_time


@pytest.mark.parametrize(
    "odd",
    [
        Span("", "", "", 0, 0, attributes={"traceloop.span.kind": "task\nworkflow"}),
        Span("", "", "", 0, 0, attributes={"a\nb": "c"}),
        Span("", "", "", 0, 0, events=(Event(1, "a\ngen_ai.evaluation.result"),)),
    ],
    ids=["in a mark", "in a name", "in an event's name"],
)
def test_a_line_break_where_names_are_joined_is_left_to_reading(store: LightningStore, odd: Span) -> None:
    plain, marked = [
        chat(
            1,
            trace=number,
            rollout_id=name,
            attributes={"gen_ai.response.finish_reasons": ["stop"]},
            prompt_token_ids=[1, 2],
            response_token_ids=[3],
        )
        for number, name in ((1, "plain"), (2, "marked"))
    ]
    marked = replace(marked, attributes={**marked.attributes, **odd.attributes}, events=odd.events)
    put(store, [plain, marked])
    found = {
        one.rollout_id if isinstance(one, Rollout) else one.rollout.rollout_id: one
        for batch in skim_store(store)
        for one in batch
    }
    assert isinstance(found["plain"], Skimmed)
    assert [found["marked"]] == [one for one in store.rollouts() if one.rollout_id == "marked"]

"""Triggers in the store: definitions, what is new since the last time, and one run at a time without a lock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from leyden_store.lightning import LightningStore
from leyden_store.trigger_facts import FACTS
from leyden_store.triggers import STALE, FiringStatus, State, Trigger, TriggerNotFound
from leyden_store.turns import PostedReward
from tests.support.otlp_making import chat, make, put

NIGHTLY = Trigger(
    "nightly", "good", "trl-sft", "org/model", "checkpoints", "new_rollouts >= 2", train=("--set", "max_steps=1")
)
NOW = datetime.now(UTC)


def rollouts(store: LightningStore, *numbers: int) -> None:
    put(store, [span for n in numbers for span in (make(1, trace=n, rollout_id=f"r{n}"), chat(2, trace=n, parent=1))])


def state(store: LightningStore, now: datetime = NOW) -> State:
    return store.triggers.state(NIGHTLY, store.select(), now)


def test_a_trigger_is_kept_changed_and_deleted(store: LightningStore) -> None:
    store.triggers.save(NIGHTLY)
    store.triggers.save(replace(NIGHTLY, name="hourly"))
    assert [one.name for one in store.triggers.all()] == ["hourly", "nightly"]
    store.triggers.save(replace(NIGHTLY, paused=True))
    assert store.triggers.get("nightly") == replace(NIGHTLY, paused=True)
    store.triggers.delete("hourly")
    assert [one.name for one in store.triggers.all()] == ["nightly"]
    with pytest.raises(TriggerNotFound, match="did you mean nightly"):
        store.triggers.get("nightle")


def test_facts_count_rollouts_and_their_rewards(store: LightningStore) -> None:
    nothing = state(store).facts
    assert set(nothing) == set(FACTS)
    assert (nothing["rollouts"], nothing["mean_reward"]) == (0, 0)
    rollouts(store, 1, 2, 3)
    put(store, [chat(5, trace=9)])  # no rollout named: the trace is one
    store.add_rewards(
        [
            PostedReward(name="reward", value=1.0, rollout_id="r1", source="api"),
            PostedReward(name="reward", value=0.0, trace_id=make(1, trace=2).trace_id, source="api"),
            PostedReward(name="other", value=9.0, rollout_id="r3", source="api"),
        ]
    )
    facts = state(store).facts
    assert {name: facts[name] for name in ("rollouts", "new_rollouts", "llm_spans", "rewarded", "new_rewarded")} == {
        "rollouts": 4, "new_rollouts": 4, "llm_spans": 4, "rewarded": 2, "new_rewarded": 2,
    }  # fmt: skip
    assert facts["mean_reward"] == 0.5
    assert facts["hours_since_run"] > 1e6


def test_new_is_what_was_not_selected_when_it_last_trained(store: LightningStore) -> None:
    rollouts(store, 1, 2)
    before = state(store)
    firing = store.triggers.claim(NIGHTLY, before, NOW)
    assert firing is not None
    store.triggers.record(replace(firing, status=FiringStatus.SUCCEEDED, run_id="run", ended_at=NOW))
    rollouts(store, 2, 3)  # one again, one new
    after = state(store, NOW + timedelta(hours=2)).facts
    assert (after["rollouts"], after["new_rollouts"]) == (3, 1)
    assert after["hours_since_run"] == pytest.approx(2, abs=0.01)


def test_what_failed_leaves_its_rollouts_new(store: LightningStore) -> None:
    rollouts(store, 1, 2)
    firing = store.triggers.claim(NIGHTLY, state(store), NOW)
    assert firing is not None
    store.triggers.record(replace(firing, status=FiringStatus.FAILED, note="no disk", ended_at=NOW))
    assert state(store).facts["new_rollouts"] == 2
    (told,) = store.triggers.firings("nightly")
    assert (told.status, told.note, told.facts["rollouts"]) == (FiringStatus.FAILED, "no disk", 2)


def test_of_claims_at_once_one_stands(store: LightningStore) -> None:
    nothing = State({}, ())
    with ThreadPoolExecutor(4) as pool:
        claims = list(pool.map(lambda _: store.triggers.claim(NIGHTLY, nothing, datetime.now(UTC)), range(4)))
    standing = [one for one in claims if one is not None]
    assert len(standing) == 1
    running = store.triggers.running("nightly", datetime.now(UTC))
    assert [one.firing_id for one in running] == [one.firing_id for one in standing]
    assert store.triggers.claim(replace(NIGHTLY, name="other"), nothing, NOW) is not None


def test_a_firing_whose_process_was_killed_is_lost_and_makes_room(store: LightningStore) -> None:
    nothing = State({}, ())
    first = store.triggers.claim(NIGHTLY, nothing, NOW)
    assert first is not None
    assert store.triggers.claim(NIGHTLY, nothing, NOW + STALE / 2) is None
    second = store.triggers.claim(NIGHTLY, nothing, NOW + STALE * 2)
    assert second is not None
    lost = next(one for one in store.triggers.firings("nightly") if one.firing_id == first.firing_id)
    assert (lost.status, "was killed" in lost.note) == (FiringStatus.LOST, True)

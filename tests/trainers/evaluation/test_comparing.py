"""Of two evaluations the better one wins where that is sure, and the verdict says why; what failed is never a 0."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from leyden_store.evaluations import EvaluatedRollout, Evaluation, EvaluationNotFound, Outcome
from leyden_store.lightning import LightningStore
from leyden_store.runs import new_id
from leyden_trainers.errors import EvaluationInvalid
from leyden_trainers.evaluation.comparing import compare
from leyden_trainers.evaluation.measures import summary_of


def rollout(task: int, reward: float | None, attempt: int = 0, **more: object) -> EvaluatedRollout:
    outcome = Outcome.FAILED if reward is None else Outcome.DONE
    rewards = {} if reward is None else {"reward": reward}
    fields: dict[str, object] = {"rewards": rewards, "output_tokens": 10 * (task + 1), **more}
    return EvaluatedRollout(f"t{task}", attempt, f"r{task}/{attempt}", outcome, **fields)  # type: ignore[arg-type]


def recorded(
    store: LightningStore, name: str, rollouts: Sequence[EvaluatedRollout], checkpoint: str = ""
) -> Evaluation:
    begun = store.evaluations.start(Evaluation(new_id(), name, "agent.py:act", checkpoint=checkpoint))
    return store.evaluations.succeed(begun, rollouts, summary_of(rollouts))


def test_the_one_that_earns_more_on_the_same_tasks_wins(store: LightningStore) -> None:
    before = recorded(store, "before", [rollout(n, 0.2 + 0.05 * (n % 3)) for n in range(8)])
    after = recorded(store, "after", [rollout(n, 0.5 + 0.06 * (n % 3)) for n in range(8)])
    found = compare(store.evaluations, before, after)
    assert (found.winner, found.reward) == ("b", "reward")
    assert found.why.startswith("after won: after has reward 0.552 against 0.244, +0.309 [")
    assert found.why.endswith("over 8 tasks, p = 0.0078")
    told = {one["measure"]: one for one in found.measures}
    assert (told["reward"]["wins"], told["reward"]["losses"], told["reward"]["tasks"]) == (8, 0, 8)
    assert told["output_tokens"]["difference"] == 0
    assert compare(store.evaluations, after, before).winner == "a"
    assert [one.to_json() for one in store.evaluations.comparisons(before.evaluation_id)][-1] == found.to_json()


def test_a_difference_that_could_be_chance_is_undecided(store: LightningStore) -> None:
    before = recorded(store, "before", [rollout(n, n % 2) for n in range(10)])
    after = recorded(store, "after", [rollout(n, (n + (n < 6)) % 2) for n in range(10)])
    found = compare(store.evaluations, before, after)
    assert (found.winner, found.why.split(":")[0]) == ("", "undecided")
    few = compare(
        store.evaluations,
        recorded(store, "a", [rollout(n, 0) for n in range(5)]),
        recorded(store, "b", [rollout(n, 1) for n in range(5)]),
    )
    assert few.winner == ""
    assert few.why.endswith("5 tasks differ, and fewer than 6 decide nothing")


def test_tasks_are_paired_by_the_mean_of_their_attempts_and_failures_are_left_out(store: LightningStore) -> None:
    before = recorded(store, "before", [rollout(0, 1.0, 0), rollout(0, None, 1), rollout(1, 0.5), rollout(2, 0.5)])
    after = recorded(store, "after", [rollout(0, 0.0), rollout(1, 1.0), rollout(2, None), rollout(3, 1.0)])
    reward = compare(store.evaluations, before, after).measures[0]
    assert (reward["tasks"], reward["unpaired"], reward["difference"]) == (2, 2, -0.25)
    assert before.summary["rewards"]["reward"]["mean"] == pytest.approx(2 / 3)
    assert (before.summary["rewards"]["reward"]["without"], before.summary["unrewarded"]) == (1, 1)
    assert before.summary["outcomes"] == {"done": 3, "failed": 1}


def test_who_fails_at_more_tasks_has_not_won_by_the_others(store: LightningStore) -> None:
    before = recorded(store, "before", [rollout(n, 0.2) for n in range(20)])
    after = recorded(store, "after", [rollout(n, 0.9 if n < 10 else None) for n in range(20)])
    found = compare(store.evaluations, before, after)
    assert found.winner == ""
    assert found.why.endswith("but 50% of its rollouts have one, against 100%")


def test_what_cannot_be_compared_is_said(store: LightningStore) -> None:
    one = recorded(store, "one", [rollout(0, 1)])
    other = recorded(store, "other", [rollout(1, 1)])
    quality = recorded(store, "quality", [rollout(0, 1, rewards={"quality": 1.0, "style": 0.5})])
    with pytest.raises(EvaluationInvalid, match="one and other share no task with the reward 'reward'"):
        compare(store.evaluations, one, other)
    with pytest.raises(EvaluationInvalid, match="one and quality share no reward"):
        compare(store.evaluations, one, quality)
    with pytest.raises(EvaluationInvalid, match="share the rewards quality, style: name one with --reward"):
        compare(store.evaluations, quality, quality)
    with pytest.raises(EvaluationInvalid, match="'reward' is no reward of both; they share quality, style"):
        compare(store.evaluations, quality, quality, reward="reward")
    assert compare(store.evaluations, quality, quality, reward="style").winner == ""


def test_an_evaluation_is_found_by_id_beginning_or_name(store: LightningStore) -> None:
    first = recorded(store, "nightly", [rollout(0, 1)])
    second = recorded(store, "nightly", [rollout(0, None, error="it broke", latency_s=1.5), rollout(1, 0.25)])
    assert store.evaluations.get("nightly") == second
    assert store.evaluations.get(first.evaluation_id) == first
    with pytest.raises(EvaluationNotFound, match="2 evaluations begin with '20'"):
        store.evaluations.get("20")
    with pytest.raises(EvaluationNotFound, match="no evaluation is called 'daily'"):
        store.evaluations.get("daily")
    failed, done = store.evaluations.rollouts(second.evaluation_id)
    assert (failed.outcome, failed.error, failed.rewards, failed.latency_s) == (Outcome.FAILED, "it broke", {}, 1.5)
    assert (done.outcome, done.rewards, done.cost) == (Outcome.DONE, {"reward": 0.25}, None)


def test_a_checkpoint_tells_how_it_was_judged(store: LightningStore) -> None:
    base = recorded(store, "base", [rollout(n, 0.0) for n in range(6)])
    tuned = recorded(store, "tuned", [rollout(n, 1.0) for n in range(6)], checkpoint="/models/tuned")
    verdict = compare(store.evaluations, base, tuned)
    (told,) = store.evaluations.told_of_checkpoint("/models/tuned")
    assert (told["name"], told["summary"]["rewards"]["reward"]["mean"]) == ("tuned", 1.0)
    assert told["comparisons"] == [
        {"a": base.evaluation_id, "b": tuned.evaluation_id, "winner": "b", "why": verdict.why}
    ]
    assert store.evaluations.told_of_checkpoint("") == []

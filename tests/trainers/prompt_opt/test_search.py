"""The search finds what the critique points to, spends no more than it may, and is the same each time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leyden_exporters.llm import Llm
from leyden_trainers.prompt_opt.candidates import Candidate, ranked
from leyden_trainers.prompt_opt.proposing import BudgetSpent, Example, Proposer
from leyden_trainers.prompt_opt.search import Search, Width
from tests.support.fake_critic import FakeCritic

SKILLS = ("count", "check", "explain", "cite")
TASKS = {f"t{n}": (SKILLS[n % 4], SKILLS[(n + 1 + n // 4) % 4]) for n in range(12)}
WIDTH = Width(rounds=3, beam=2, critiques=1, edits=2, shown=2, minibatch=4)
START = "Solve {{problem}}."


class Table:
    """What a template earns: the share of a task's skills that it names. Rollouts without an agent."""

    def __init__(self, most: int = 10_000) -> None:
        self.made = 0
        self._most = most

    def score(self, candidate: Candidate, tasks: Sequence[str]) -> None:
        for task in tasks:
            if task not in candidate.scores:
                if self.made == self._most:
                    raise BudgetSpent("the budget of rollouts is spent")
                self.made += 1
                candidate.scores[task] = sum(skill in candidate.text for skill in TASKS[task]) / 2

    def examples(self, candidate: Candidate, tasks: Sequence[str]) -> list[Example]:
        return [Example(json.dumps({"needs": TASKS[task]}), candidate.scores[task]) for task in tasks]


def searched(
    critic: FakeCritic, width: Width = WIDTH, *, table: Table | None = None, max_calls: int = 100, seed: int = 0
) -> tuple[Search, Candidate, list[Mapping[str, float]]]:
    base, _, model = critic.llm.rpartition("/")
    proposer = Proposer(Llm(base, model), tries=3, max_calls=max_calls, longest=500, seed=seed)
    search = Search(width, list(TASKS), table or Table(), proposer, Random(seed))
    rounds: list[Mapping[str, float]] = []
    best = search.run(START, lambda _, metrics: rounds.append(metrics))
    return search, best, rounds


def test_the_best_prompt_names_what_the_critiques_pointed_to() -> None:
    with FakeCritic() as critic:
        search, best, rounds = searched(critic)
    assert all(skill in best.text for skill in SKILLS)
    assert best.text.startswith(START)
    assert set(best.scores.values()) == {1.0}
    assert len(best.scores) == len(TASKS), "at last on all tasks"
    assert best.lineage[0] is search.candidates[0]
    assert all(one.critique.startswith("It should be told to") for one in best.lineage[1:])
    assert [metrics["reward"] for metrics in rounds] == sorted(metrics["reward"] for metrics in rounds)
    shown = critic.asked[0]["messages"][1]["content"]
    assert 'rollout reward="0"' in shown
    assert len(search.candidates) == len({one.text for one in search.candidates})


def test_the_same_seed_searches_the_same() -> None:
    def texts(seed: int) -> list[str]:
        with FakeCritic() as critic:
            return [one.text for one in searched(critic, seed=seed)[0].candidates]

    assert texts(3) == texts(3)


def test_trouble_with_the_model_is_tried_again_within_bounds_and_counted() -> None:
    with FakeCritic(503, "no edit", "", "It should be told to cite.", "<prompt>{{other}}</prompt>", 400) as critic:
        search, best, _ = searched(critic, Width(2, 1, 2, 2, 2, 4))
    counts = search.proposer.counts
    assert counts["calls"] == len(critic.asked)
    assert counts["errors"] >= 4
    assert counts["failed"] >= 1, "an edit that is refused with 400 is not asked for again"
    assert counts["tokens"] > 0
    assert best.number != 0


@pytest.mark.parametrize("calls", [1, 2, 5])
def test_the_budget_of_requests_ends_the_search_with_what_it_has(calls: int) -> None:
    with FakeCritic() as critic:
        search, best, _ = searched(critic, max_calls=calls)
        assert len(critic.asked) == calls
    assert search.stopped == f"the budget of {calls} requests to the model is spent"
    assert len(best.scores) >= 4


@pytest.mark.parametrize("most", [4, 9, 20])
def test_the_budget_of_rollouts_ends_it_too(most: int) -> None:
    table = Table(most)
    with FakeCritic() as critic:
        search, best, _ = searched(critic, table=table)
    assert table.made == most
    assert search.stopped == "the budget of rollouts is spent"
    assert len(best.scores) >= 4, "what was not tried on the minibatch cannot win"


def test_a_template_that_needs_nothing_is_left_as_it_is() -> None:
    with FakeCritic("Fine.", "no template", "no template", "no template") as critic:
        search, best, _ = searched(critic, Width(1, 1, 1, 1, 2, 4))
    assert (best.number, len(search.candidates), search.proposer.counts["failed"]) == (0, 1, 1)
    assert "no template between <prompt>" in search.proposer.last_failure


SCORES = st.lists(st.none() | st.floats(-10, 10), min_size=3, max_size=3)


@given(st.lists(SCORES, min_size=2, max_size=5))
def test_a_rollout_without_a_reward_never_lifts_a_prompt(table: list[list[float | None]]) -> None:
    """Were each of them worth the worst reward there is, the order would be the same."""
    candidates = [Candidate(n, str(n), scores=dict(zip("abc", row, strict=True))) for n, row in enumerate(table)]
    known = [score for row in table for score in row if score is not None]
    filled = [
        Candidate(n, str(n), scores={k: min(known, default=0.0) if v is None else v for k, v in one.scores.items()})
        for n, one in enumerate(candidates)
    ]
    assert [one.number for one in ranked(candidates)] == [one.number for one in ranked(filled)]

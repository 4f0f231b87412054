"""Curation keeps what a recipe says, whole groups on one side of a split, and accounts for every rollout."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leyden_exporters.curation import Candidate, Splits, Step, candidate, read_recipe, run_steps, step_of
from leyden_exporters.curation.corrections import NOTE, corrected
from leyden_exporters.curation.near import grams_of, grams_to_avoid, near_duplicates, signature_of
from leyden_exporters.curation.spool import KeptBatches, Spool
from leyden_exporters.errors import OptionsInvalid
from leyden_exporters.options import Options
from leyden_store.turns import Rollout
from tests.exporters.making import rollout, said, single, turn


def made(rollouts: list[Rollout], *, near: bool = False, against: Path | None = None) -> list[Candidate]:
    avoid = None if against is None else grams_to_avoid([against], 5)
    return [candidate(n, one, Options(), near=near, apart_from=avoid) for n, one in enumerate(rollouts)]


def answered(name: str, group: str, reward: float | None, text: str, agent: str | None = None) -> Rollout:
    return single(name, group, reward, messages=[said("user", "q")], response=said("assistant", text), agent=agent)


def kept(step: str, rollouts: list[Rollout], **settings: object) -> list[str]:
    left, reasons, (outcome,) = run_steps([Step(step, settings)], made(rollouts), seed=1)
    assert outcome.came == len(rollouts) == len(left) + len(reasons) == outcome.kept + sum(outcome.dropped.values())
    return [one.rollout_id for one in left]


FOUR = [
    answered("a", "g", 0.1, "one"), answered("b", "g", 0.9, "two"), answered("c", "g", 0.5, "one"),
    answered("d", "h", None, "three", agent="x"),
]  # fmt: skip


def test_what_says_the_same_is_kept_once() -> None:
    assert kept("dedup", FOUR) == ["a", "b", "d"]


def test_the_best_of_each_group_are_kept_and_none_without_a_reward() -> None:
    assert kept("best-of-n", FOUR) == ["b"]
    assert kept("best-of-n", FOUR, k=2) == ["b", "c"]
    assert kept("top-k", FOUR, fraction=0.5) == ["b", "c"]
    assert kept("top-k", FOUR, k=1) == ["b"]


def test_pairs_that_tell_are_the_best_and_worst_far_enough_apart() -> None:
    assert kept("reward-gap", FOUR, least=0.5) == ["a", "b"]
    assert kept("reward-gap", FOUR, least=0.9) == []


def test_balance_takes_as_many_of_each() -> None:
    assert len(kept("balance", FOUR)) == 2
    assert len(kept("balance", FOUR, by="agent", most=2)) == 3
    assert len(kept("sample", FOUR, n=3)) == 3


def test_lengths_are_of_turns_and_characters() -> None:
    assert kept("length", FOUR, min_chars=6) == ["d"]
    assert kept("length", FOUR, max_turns=0) == []


def test_steps_compose_in_their_order() -> None:
    steps = [Step("dedup"), Step("best-of-n")]
    left, reasons, outcomes = run_steps(steps, made(FOUR), 0)
    assert [one.rollout_id for one in left] == ["b"]
    assert [(one.came, one.kept) for one in outcomes] == [(4, 3), (3, 1)]
    assert sorted(reasons.values()) == ["duplicate", "no_reward", "not_best"]


WORDS = (
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "while",
    "seven",
    "wizards",
    "brew",
    "potions",
)


def test_near_duplicates_are_found_and_others_let_be() -> None:
    chance = random.Random(1)
    base = [chance.choices(WORDS, k=200) for _ in range(30)]
    texts = [" ".join(words) for words in base] + [" ".join([*words[:-2], "other", "end"]) for words in base]
    found = near_duplicates([signature_of(text) for text in texts], 0.8)
    assert found == [None] * 30 + list(range(30))


def test_what_shares_a_run_of_words_with_an_evaluation_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "eval.jsonl").write_text('{"question": "What IS the capital of France, please?"}\n{"q": "hi"}\n')
    rollouts = [answered("a", "", None, "x: what is the capital of france please"), answered("b", "", None, "hi there")]
    candidates = made(rollouts, against=tmp_path / "eval.jsonl")
    left, _, _ = run_steps([Step("decontaminate", {"against": "eval.jsonl", "words": 5})], candidates, 0)
    assert [one.rollout_id for one in left] == ["b"]
    with pytest.raises(OptionsInvalid, match="cannot read"):
        grams_to_avoid([tmp_path / "gone"], 5)


@given(st.integers(0, 100), st.lists(st.text(min_size=1), max_size=30, unique=True))
def test_a_group_stays_in_its_split_whatever_else_there_is(seed: int, groups: list[str]) -> None:
    splits = Splits({"validation": 0.2, "test": 0.1}, seed)
    assert {group: splits.of(group) for group in groups} == {group: splits.of(group) for group in reversed(groups)}


def test_splits_are_about_as_large_as_asked() -> None:
    splits = Splits({"validation": 0.2}, 5)
    share = sum(splits.of(f"g{n}") == "validation" for n in range(2000)) / 2000
    assert abs(share - 0.2) < 0.03


@pytest.mark.parametrize("fractions", [{"train": 0.1}, {"a": 0.0}, {"a": 0.6, "b": 0.4}, {"a b": 0.1}])
def test_splits_that_cannot_be_are_refused(fractions: dict[str, float]) -> None:
    with pytest.raises(OptionsInvalid):
        Splits(fractions)


def test_a_recipe_is_read_and_flags_say_the_same(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('seed = 4\n[[steps]]\nstep = "dedup"\nnear = 0.8\n[splits]\nvalidation = 0.1\n')
    recipe = read_recipe(path)
    assert recipe.steps == (step_of("dedup:near=0.8"),)
    assert recipe.to_json() == {"seed": 4, "steps": [{"step": "dedup", "near": 0.8}], "splits": {"validation": 0.1}}
    assert recipe.needs_signatures


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps = 1", "r.toml"), ("[[steps]]\nnear = 1", 'says which: step = "dedup"'), ("x = 1", "there is no x"),
        ('[[steps]]\nstep = "dedup"\nx = 1', "the step dedup has no setting x"), ("a", "is no TOML"),
        ('[[steps]]\nstep = "dedupe"', "did you mean dedup"), ('[[steps]]\nstep = "top-k"', "top-k takes k"),
        ('[[steps]]\nstep = "length"\nmin_turns = "many"', "min_turns is a number"),
    ],
)  # fmt: skip
def test_a_wrong_recipe_is_said_before_anything_is_read(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(OptionsInvalid, match=said):
        read_recipe(path)


def test_a_spool_gives_back_what_passed_as_often_as_asked(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert list(spool.fill(FOUR)) == FOUR
    assert list(spool) == list(spool) == FOUR
    assert list(tmp_path.iterdir()) == []
    spool.close()


def test_kept_batches_go_on_where_they_stopped_unless_the_plan_changed(tmp_path: Path) -> None:
    first = KeptBatches(tmp_path / "k", "plan")
    reading = first.keep(iter([FOUR[:2], FOUR[2:]]))
    next(reading)
    again = KeptBatches(tmp_path / "k", "plan")
    assert again.count == 1
    assert [*again.kept(), *again.keep(iter([FOUR[2:]]))] == [FOUR[:2], FOUR[2:]]
    assert KeptBatches(tmp_path / "k", "other").count == 0


def test_a_correction_takes_the_place_of_what_was_sampled() -> None:
    one = rollout([turn(0, [1], [2], status="error", error="x"), turn(1, [1], [2])])
    (found,) = corrected([one], {("t", "s0"): said("assistant", "better")})
    assert found.turns[0].response == said("assistant", "better")
    assert (found.turns[0].status, found.turns[0].response_token_ids, found.turns[0].notes) == ("ok", None, (NOTE,))
    assert found.turns[1] is one.turns[1]


def test_grams_do_not_see_case_or_punctuation() -> None:
    assert grams_of("A b, c!", 2) == grams_of("a B c", 2)
    assert grams_of("", 2) == set()

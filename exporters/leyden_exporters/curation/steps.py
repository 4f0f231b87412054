"""Steps: each takes the candidates that are left and says which it leaves out, and why. They compose in any order."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from leyden_exporters.curation.candidates import Candidate
from leyden_exporters.curation.near import near_duplicates
from leyden_exporters.errors import OptionsInvalid

Left = Mapping[int, str]
"""Number of a candidate that is left out → why, in a word."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step and its settings, as a recipe gives them."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step did: how many came, how many are left, and why the others are not."""

    step: Step
    came: int
    kept: int
    dropped: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """The same in plain JSON types."""
        return {
            "step": self.step.name,
            **self.step.settings,
            "in": self.came,
            "out": self.kept,
            "dropped": dict(self.dropped),
        }


def run_steps(
    steps: Iterable[Step], candidates: Sequence[Candidate], seed: int
) -> tuple[list[Candidate], dict[int, str], list[Outcome]]:
    """Run steps one after the other: the candidates left, why the others are not, and each step's counts.

    Raises OptionsInvalid for a step or setting that does not exist.
    """
    left = list(candidates)
    reasons: dict[int, str] = {}
    outcomes = []
    for step in steps:
        out = step_named(step.name)(left, dict(step.settings), seed)
        reasons |= out
        kept = [one for one in left if one.number not in out]
        outcomes.append(Outcome(step, len(left), len(kept), dict(sorted(Counter(out.values()).items()))))
        left = kept
    return left, reasons, outcomes


Run = Callable[[Sequence[Candidate], dict[str, Any], int], Left]


def step_named(name: str) -> Run:
    """The step of that name. Raises OptionsInvalid, with the near ones."""
    if name in STEPS:
        return STEPS[name]
    near = get_close_matches(name, STEPS, n=3, cutoff=0.4) or sorted(STEPS)
    raise OptionsInvalid(f"no step is called {name!r}; did you mean {', '.join(near)}?")


def length(candidates: Sequence[Candidate], settings: dict[str, Any], _seed: int) -> Left:
    """Leave out rollouts with fewer or more turns or characters: min_turns, max_turns, min_chars, max_chars."""
    low_turns, high_turns = _number(settings, "min_turns", 0), _number(settings, "max_turns", float("inf"))
    low_chars, high_chars = _number(settings, "min_chars", 0), _number(settings, "max_chars", float("inf"))
    _done("length", settings)
    left = {}
    for one in candidates:
        if not (low_turns <= one.turns and low_chars <= one.chars):
            left[one.number] = "too_short"
        elif not (one.turns <= high_turns and one.chars <= high_chars):
            left[one.number] = "too_long"
    return left


def dedup(candidates: Sequence[Candidate], settings: dict[str, Any], _seed: int) -> Left:
    """Keep the first of those that say the same; with `near` (0 to 1), of those about as similar in their words too."""
    near = _number(settings, "near", 0.0)
    _done("dedup", settings)
    first: dict[str, int] = {}
    left = {one.number: "duplicate" for one in candidates if first.setdefault(one.content, one.number) != one.number}
    if near:
        rest = [one for one in candidates if one.number not in left]
        signatures = [one.signature for one in rest if one.signature is not None]
        matches = near_duplicates(signatures, near)
        left |= {one.number: "near_duplicate" for one, match in zip(rest, matches, strict=True) if match is not None}
    return left


def decontaminate(candidates: Sequence[Candidate], settings: dict[str, Any], _seed: int) -> Left:
    """Leave out what shares a run of `words` words (default 13) with the texts in the files `against`."""
    settings.pop("against", None)
    settings.pop("words", None)
    _done("decontaminate", settings)
    return {one.number: "contaminated" for one in candidates if one.overlaps}


def balance(candidates: Sequence[Candidate], settings: dict[str, Any], seed: int) -> Left:
    """Keep at most `most` rollouts of each `by` (group or agent); without `most`, as many as the least has."""
    by = str(settings.pop("by", "group"))
    if by not in ("group", "agent"):
        raise OptionsInvalid(f"balance by group or agent, not {by!r}")
    most = _number(settings, "most", 0)
    _done("balance", settings)
    members: dict[str, list[Candidate]] = {}
    for one in candidates:
        members.setdefault(one.group if by == "group" else ",".join(one.agents), []).append(one)
    limit = int(most) or min(map(len, members.values()), default=0)
    return {
        one.number: "unbalanced"
        for those in members.values()
        for one in sorted(those, key=lambda one: draw(seed, one.rollout_id))[limit:]
    }


def best_of_n(candidates: Sequence[Candidate], settings: dict[str, Any], _seed: int) -> Left:
    """Keep the `k` (default 1) best rewarded rollouts of each group; without a reward none is."""
    count = int(_number(settings, "k", 1))
    _done("best-of-n", settings)
    return _ranked(_groups(candidates), count, "not_best")


def top_k(candidates: Sequence[Candidate], settings: dict[str, Any], _seed: int) -> Left:
    """Keep the `k` best rewarded rollouts of all, or the best `fraction` of them."""
    fraction, count = _number(settings, "fraction", 0.0), _number(settings, "k", 0)
    _done("top-k", settings)
    if bool(fraction) == bool(count):
        raise OptionsInvalid("top-k takes k (a number of rollouts) or fraction (0 to 1)")
    return _ranked([list(candidates)], int(count) or round(fraction * len(candidates)), "not_top")


def reward_gap(candidates: Sequence[Candidate], settings: dict[str, Any], _seed: int) -> Left:
    """Keep the best and the worst of each group where their rewards are at least `least` apart: pairs that tell."""
    least = _number(settings, "least", 0.0)
    _done("reward-gap", settings)
    left = {one.number: "no_reward" for one in candidates if one.reward is None}
    for group in _groups(candidates):
        those = [one for one in group if one.reward is not None]
        ranked = sorted(those, key=lambda one: (-(one.reward or 0.0), one.number))
        if len(ranked) > 1 and (ranked[0].reward or 0.0) - (ranked[-1].reward or 0.0) >= max(least, 1e-12):
            left |= {one.number: "between" for one in ranked[1:-1]}
        else:
            left |= {one.number: "no_gap" for one in ranked}
    return left


def sample(candidates: Sequence[Candidate], settings: dict[str, Any], seed: int) -> Left:
    """Keep `n` rollouts drawn by the seed."""
    count = int(_number(settings, "n", 0))
    _done("sample", settings)
    drawn = sorted(candidates, key=lambda one: draw(seed, one.rollout_id))
    return {one.number: "not_drawn" for one in drawn[count:]}


STEPS: dict[str, Run] = {
    "length": length,
    "dedup": dedup,
    "decontaminate": decontaminate,
    "balance": balance,
    "best-of-n": best_of_n,
    "top-k": top_k,
    "reward-gap": reward_gap,
    "sample": sample,
}


def draw(seed: int, name: str) -> int:
    """A number that name and seed give, the same everywhere: the place of a name in a shuffled order."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8], "big")


def _ranked(sets: Iterable[list[Candidate]], count: int, reason: str) -> dict[int, str]:
    left: dict[int, str] = {}
    for those in sets:
        left |= {one.number: "no_reward" for one in those if one.reward is None}
        rewarded = [one for one in those if one.reward is not None]
        ranked = sorted(rewarded, key=lambda one: (-(one.reward or 0.0), one.number))
        left |= {one.number: reason for one in ranked[count:]}
    return left


def _groups(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    groups: dict[str, list[Candidate]] = {}
    for one in candidates:
        groups.setdefault(one.group, []).append(one)
    return list(groups.values())


def _number(settings: dict[str, Any], name: str, default: float) -> float:
    value = settings.pop(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OptionsInvalid(f"{name} is a number, not {value!r}")
    return value


def _done(step: str, settings: Mapping[str, Any]) -> None:
    if settings:
        raise OptionsInvalid(f"the step {step} has no setting {', '.join(settings)}")

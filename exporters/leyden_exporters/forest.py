"""The prefix forest: which turn continues which, told from their tokens alone.

Works on byte strings of 4-byte symbols, so that token ids and interned messages grow by one rule. A rollout's chains
are kept sorted, and the longest one that is a prefix of a prompt is found by bisection: memcmp does the comparing,
and many open chains cost a logarithm, not a scan.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from leyden_store.records import record

WIDTH = 4
"""Bytes per symbol."""


class OriginKind(StrEnum):
    """How a chain began."""

    FIRST = "first"
    """The first of its rollout."""
    SEPARATE = "separate"
    """Another conversation: it differs from every chain within their first prompts."""
    RESAMPLED = "resampled"
    """Its prompt was sampled before: another response to the same."""
    FORKED = "forked"
    """It shares whole turns with another chain, then goes its own way between responses."""
    BROKEN = "broken"
    """It departs from another chain inside a sampled response: retokenised, edited or cut history."""


@dataclass(frozen=True, slots=True)
class Origin:
    """How a chain began: `at` is the index of the first symbol that differs from chain number `chain`.

    When the prompt is a proper prefix of that chain, `at` is the prompt's length.
    """

    kind: OriginKind
    at: int = 0
    chain: int | None = None

    def __str__(self) -> str:
        """In words, e.g. "broken from row 0 at token 12"."""
        left = "a row that was dropped" if self.chain is None else f"row {self.chain}"
        return str(self.kind) if self.kind is OriginKind.FIRST else f"{self.kind} from {left} at token {self.at}"


@record(frozen=True, slots=True)
class Step:
    """One turn in a chain: its number among the turns grown, and its response's place, `start` ≤ i < `end`."""

    turn: int
    start: int
    end: int


@dataclass(slots=True)
class Chain:
    """A sequence that grew turn by turn.

    steps:  the turns whose responses belong to this chain, in order; its symbols are the last one's prompt + response
    shared: earlier turns of other chains whose whole responses stand in this chain's first prompt
    """

    origin: Origin
    steps: list[Step] = field(default_factory=list)
    shared: list[Step] = field(default_factory=list)


def grow(turns: Iterable[tuple[bytes, bytes]]) -> list[Chain]:
    """Chains from (prompt, response) pairs in a settled order; responses are not empty.

    A turn continues the longest chain that is a prefix of its prompt (of equals, the one begun first). Else it begins
    a chain, whose origin says where it left the chain it shares most with. Symbols are compared, never repaired.
    """
    return _Forest().grow(turns)


class _Forest:
    """Chains under growth: `ends[i]` is all of chain `order[i]` as it stands, in byte order."""

    def __init__(self) -> None:
        self.chains: list[Chain] = []
        self.ends: list[bytes] = []
        self.order: list[int] = []
        self.prompts: dict[bytes, int] = {}

    def grow(self, turns: Iterable[tuple[bytes, bytes]]) -> list[Chain]:
        for number, (prompt, response) in enumerate(turns):
            place = self._longest_prefix(prompt)
            if place is None:
                chain = len(self.chains)
                self.chains.append(self._begin(prompt))
            else:
                chain = self.order.pop(place)
                self.ends.pop(place)
            whole = prompt + response
            self.chains[chain].steps.append(Step(number, len(prompt) // WIDTH, len(whole) // WIDTH))
            place = bisect_right(self.ends, whole)
            while place and self.ends[place - 1] == whole and self.order[place - 1] > chain:
                place -= 1
            self.ends.insert(place, whole)
            self.order.insert(place, chain)
            self.prompts.setdefault(prompt, chain)
        return self.chains

    def _longest_prefix(self, prompt: bytes) -> int | None:
        # Every prefix of the prompt sorts at or before it. If the nearest such chain is no prefix itself, a shorter
        # one can only lie within what the two share: look again with that.
        head = prompt
        while True:
            place = bisect_right(self.ends, head)
            if not place:
                return None
            near = self.ends[place - 1]
            if prompt.startswith(near):
                return bisect_left(self.ends, near, 0, place)
            head = prompt[: common(prompt, near) * WIDTH]

    def _begin(self, prompt: bytes) -> Chain:
        if not self.chains:
            return Chain(Origin(OriginKind.FIRST))
        place = bisect_right(self.ends, prompt)
        near = range(max(place - 1, 0), min(place + 1, len(self.ends)))
        at, chain = max(((common(prompt, self.ends[i]), self.order[i]) for i in near), key=lambda found: found[0])
        earlier = self.prompts.get(prompt)
        if earlier is not None:
            at, chain = len(prompt) // WIDTH, earlier
        whole = [step for step in (*self.chains[chain].shared, *self.chains[chain].steps) if step.end <= at]
        kind = OriginKind.RESAMPLED if earlier is not None else self._kind(chain, at, shares_turns=bool(whole))
        return Chain(Origin(kind, at, chain), shared=whole)

    def _kind(self, chain: int, at: int, *, shares_turns: bool) -> OriginKind:
        steps = (*self.chains[chain].shared, *self.chains[chain].steps)
        if any(step.start < at < step.end for step in steps):
            return OriginKind.BROKEN
        leaves_at_response = any(step.start == at for step in steps)
        return OriginKind.FORKED if shares_turns or leaves_at_response else OriginKind.SEPARATE


def common(left: bytes, right: bytes) -> int:
    """How many leading symbols two sequences share."""
    size = min(len(left), len(right)) // WIDTH
    if size == 0:
        return 0
    differs = np.frombuffer(left, np.int32, size) != np.frombuffer(right, np.int32, size)
    first = int(differs.argmax())
    return first if differs[first] else size

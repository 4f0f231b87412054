"""Straight rollouts: each call goes on where the one before ended. Their trajectories are laid out many at once.

Most rollouts are straight, and then a trajectory is its last call's tokens; the forest is for the rest. What comes out
is what `trajectories.merge` gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import ge

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leyden_exporters.choosing import unwanted
from leyden_exporters.forest import WIDTH
from leyden_exporters.options import Options
from leyden_exporters.trajectories import joined
from leyden_exporters.transitions import CUT_SHORT
from leyden_store.skim import Sketch, Skimmed


@dataclass(slots=True)
class Straight:
    """One straight rollout, whole.

    number: its place in the stream
    calls:  in the order in which they continue each other
    tokens: how many there are in all; trained_tokens: how many of them the policy sampled
    agent, policy_version, truncated: as `Trajectory` has them
    """

    number: int
    skimmed: Skimmed
    reward: float | None
    calls: Sequence[int]
    tokens: int
    trained_tokens: int
    lacks_logprobs: bool
    truncated: bool
    agent: str | None
    policy_version: str | None

    @property
    def span_ids(self) -> list[str]:
        """The calls' spans, in order."""
        held = self.skimmed.sketch.span_ids
        return [held[call] for call in self.calls]

    @property
    def trace_ids(self) -> list[str]:
        """The calls' traces, in order."""
        held = self.skimmed.sketch.trace_ids
        return [held[call] for call in self.calls]


class Straightener:
    """Finds the rollouts of one sketch that are straight and that the options want whole."""

    def __init__(self, sketch: Sketch, options: Options) -> None:
        self._sketch, self._options = sketch, options
        self._all_wanted = options.wants_all
        self._wanted: dict[tuple[str | None, str | None, int], bool] = {}

    def straighten(self, skimmed: Skimmed, number: int, reward: float | None) -> Straight | None:
        """The rollout as one row; None where it is not straight, or something of it is left out or cut."""
        calls, sketch, options = skimmed.calls, self._sketch, self._options
        if not calls or not self._are_wanted(skimmed, reward):
            return None
        starts = [sketch.starts[call] for call in calls]
        if any(map(ge, starts, starts[1:])):
            calls = sorted(calls, key=self._order)
        slots = [sketch.slots[call] for call in calls]
        length = self._length(slots)
        if length is None or (options.max_tokens is not None and length > options.max_tokens):
            return None
        logprobs, responses = sketch.logprobs.starts, sketch.responses.starts
        sizes = [responses[slot + 1] - responses[slot] for slot in slots]
        return Straight(
            number=number,
            skimmed=skimmed,
            reward=reward,
            calls=calls,
            tokens=length,
            trained_tokens=sum(sizes),
            lacks_logprobs=[logprobs[slot + 1] - logprobs[slot] for slot in slots] != sizes,
            truncated=not CUT_SHORT.isdisjoint([sketch.finishes[call] for call in calls]),
            agent=skimmed.agent(calls[0]) if options.per_agent else None,
            policy_version=joined(skimmed.policy_versions(calls)),
        )

    def _order(self, call: int) -> tuple[int, int, str, str]:
        sketch = self._sketch
        length = sketch.prompts.length(sketch.slots[call])
        return sketch.starts[call], length, sketch.span_ids[call], sketch.trace_ids[call]

    def _length(self, slots: Sequence[int]) -> int | None:
        """How many tokens the calls have together when each goes on where the one before ended; else None."""
        prompt_starts, response_starts = self._prompt_starts, self._response_starts
        prompts, responses = self._prompts, self._responses
        before = prompt = prompt_end = response = response_end = 0
        for place, slot in enumerate(slots):
            start, end = prompt_starts[slot], prompt_starts[slot + 1]
            if place:
                middle = start + prompt_end - prompt
                if (
                    end - start < before
                    or prompts[start:middle] != prompts[prompt:prompt_end]
                    or prompts[middle : start + before] != responses[response:response_end]
                ):
                    return None
            prompt, prompt_end = start, end
            response, response_end = response_starts[slot], response_starts[slot + 1]
            before = prompt_end - prompt + response_end - response
        return before // WIDTH

    @cached_property
    def _prompts(self) -> bytes:
        return self._sketch.prompts.tobytes()

    @cached_property
    def _responses(self) -> bytes:
        return self._sketch.responses.tobytes()

    @cached_property
    def _prompt_starts(self) -> list[int]:
        return [start * WIDTH for start in self._sketch.prompts.starts]

    @cached_property
    def _response_starts(self) -> list[int]:
        return [start * WIDTH for start in self._sketch.responses.starts]

    def _are_wanted(self, skimmed: Skimmed, reward: float | None) -> bool:
        """Whether no call would be left out."""
        options, calls, finishes = self._options, skimmed.calls, self._sketch.finishes
        if self._all_wanted:
            return True
        if options.per_turn is not None:
            return False
        if reward is None and (options.require_reward or options.min_reward is not None):
            return False
        if reward is not None and options.min_reward is not None and reward < options.min_reward:
            return False
        if options.drop_truncated and any(finishes[call] in CUT_SHORT for call in calls):
            return False
        if options.require_logprobs and any(skimmed.logprobs(call) is None for call in calls):
            return False
        if options.last_attempt and len({skimmed.attempt(call) or 0 for call in calls}) > 1:
            return False
        if options.per_agent and len({skimmed.agent(call) for call in calls}) > 1:
            return False
        return all(self._is_wanted(skimmed, call) for call in calls)

    def _is_wanted(self, skimmed: Skimmed, call: int) -> bool:
        key = skimmed.agent(call), skimmed.policy_version(call), skimmed.depth(call)
        wanted = self._wanted.get(key)
        if wanted is None:
            turns = {turn.span_id: turn for turn in skimmed.without_words().turns}
            wanted = self._wanted[key] = unwanted(turns[self._sketch.span_ids[call]], self._options) is None
        return wanted


def lay(rows: Sequence[Straight]) -> dict[str, pa.Array]:
    """The columns of `columns.SCHEMA` that are made of tokens, and `truncated`, `ids_source` and the like beside them.

    All rows are of one sketch.
    """
    sketch = rows[0].skimmed.sketch
    slots = np.array([sketch.slots[call] for row in rows for call in row.calls])
    counts = np.array([len(row.calls) for row in rows])
    offsets = np.concatenate(([0], np.cumsum([row.tokens for row in rows])))
    prompt_starts, response_starts = np.array(sketch.prompts.starts), np.array(sketch.responses.starts)
    responses = response_starts[slots + 1] - response_starts[slots]
    ends = prompt_starts[slots + 1] - prompt_starts[slots] + responses
    first = np.concatenate(([0], np.cumsum(counts)[:-1]))
    held = np.concatenate(([0], ends[:-1]))
    held[first] = 0
    # Runs of context and response take turns; a run of context may be empty.
    runs = np.stack((ends - responses - held, responses), axis=1).reshape(-1)
    places = np.stack((np.full(len(slots), -1), np.arange(len(slots)) - np.repeat(first, counts)), axis=1).reshape(-1)
    turn_ids = np.repeat(places.astype(np.int32), runs)
    mask = turn_ids >= 0
    logps = np.zeros(len(mask), np.float32)
    unknown = np.array([row.lacks_logprobs for row in rows])
    if not unknown.all():
        known = mask & ~np.repeat(unknown, np.diff(offsets))
        logps[known] = sketch.logprobs.joined(slots[~np.repeat(unknown, counts)])
    lasts = slots[first + counts - 1].tolist()
    ids = [part for slot in lasts for part in (sketch.prompts[slot], sketch.responses[slot])]
    return {
        "input_ids": _lists(offsets, np.concatenate(ids)),
        "loss_mask": _lists(offsets, mask.view(np.uint8)),
        "old_logps": _lists(offsets, logps, unknown),
        "turn_ids": _lists(offsets, turn_ids),
    }


def _lists(
    offsets: npt.NDArray[np.int64], values: npt.NDArray[np.generic], missing: npt.NDArray[np.bool_] | None = None
) -> pa.ListArray:
    mask = None if missing is None else pa.array(missing)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values), mask=mask)

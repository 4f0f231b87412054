"""A skimmed rollout: what a `Rollout` says of tokens, places and rewards, without its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leyden_store.skim._gather import Gathered, Gathering
from leyden_store.skim._sketch import Sketch
from leyden_store.turns import Reward, Rollout, Turn, Usage

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Skimmed:
    """A rollout of a sketch; every LLM span of it is a call, and none was dropped.

    rollout: its calls are places in the sketch, by start time
    """

    sketch: Sketch
    gathering: Gathering
    rollout: Gathered

    @property
    def calls(self) -> Sequence[int]:
        """Its LLM calls, by start time; each a place in the sketch."""
        return self.rollout.calls

    def agent(self, call: int) -> str | None:
        """Whose call it is, as `Turn.agent`."""
        return self.gathering.places[call][3] or None

    def policy_version(self, call: int) -> str | None:
        """Which weights sampled it, as `Turn.policy_version`."""
        return self.gathering.places[call][4] or None

    def policy_versions(self, calls: Sequence[int]) -> list[str | None]:
        """Which weights sampled these calls, in order, repeats left out."""
        places = {id(place): place for place in [self.gathering.places[call] for call in calls]}
        return list(dict.fromkeys(place[4] or None for place in places.values()))

    def attempt(self, call: int) -> int | None:
        """The attempt it is part of, as `Turn.attempt`."""
        own = self.gathering.places[call][2]
        return self.rollout.attempt if own is None else own

    def prompt_ids(self, call: int) -> Ids:
        """int32, at least one."""
        return self.sketch.prompts[self.sketch.slots[call]]

    def response_ids(self, call: int) -> Ids:
        """int32, at least one."""
        return self.sketch.responses[self.sketch.slots[call]]

    def logprobs(self, call: int) -> npt.NDArray[np.float64] | None:
        """One a response id, or None."""
        found: npt.NDArray[np.float64] = self.sketch.logprobs[self.sketch.slots[call]]
        return found if len(found) == self.sketch.responses.length(self.sketch.slots[call]) else None

    def depth(self, call: int) -> int:
        """How many agents stand above it, as `Turn.depth`."""
        return self.gathering.places[call][5] or int(bool(self.gathering.places[call][3]))

    def rewards(self) -> tuple[Reward, ...]:
        """The rollout's own, as `Rollout.rewards`."""
        found = self.rollout.rewards
        return tuple(found) if len(found) < 2 else tuple(sorted(found, key=lambda reward: reward.time_ns))

    def turn_rewards(self, call: int) -> Mapping[str, float]:
        """A call's own, as `Turn.rewards`."""
        found = sorted(self.rollout.turn_rewards.get(call, ()), key=lambda reward: reward.time_ns)
        return {reward.name: reward.value for reward in found}

    def rewards_only(self) -> Rollout:
        """The rollout as far as its reward depends on it: without turns, where none has a reward of its own."""
        own = self.rollout
        if own.turn_rewards:
            return self.without_words()
        return Rollout(own.rollout_id, own.group_id, own.attempt, (), (), (), self.rewards() if own.rewards else ())

    def without_words(self) -> Rollout:
        """What reading gives, but for messages, replies, tools and what else a provider says."""
        own = self.rollout
        turns = tuple(self._turn(call, index) for index, call in enumerate(own.calls))
        traces = tuple(sorted(own.trace_ids))
        return Rollout(own.rollout_id, own.group_id, own.attempt, traces, turns, (), self.rewards())

    def _turn(self, call: int, index: int) -> Turn:
        sketch, place = self.sketch, self.gathering.places[call]
        return Turn(
            trace_id=sketch.trace_ids[call],
            span_id=sketch.span_ids[call],
            parent_span_id=sketch.parents[call],
            rollout_id=self.rollout.rollout_id,
            group_id=place[1] or self.rollout.group_id,
            attempt=self.attempt(call),
            session_id="",
            turn_index=index,
            agent=self.agent(call),
            dialect="",
            provider=None,
            model=None,
            messages=(),
            response=None,
            tools=(),
            finish_reason=sketch.finishes[call],
            usage=Usage(),
            cost=None,
            params={},
            start_ns=sketch.starts[call],
            end_ns=sketch.ends[call],
            status="ok",
            rewards=self.turn_rewards(call),
            policy_version=self.policy_version(call),
            prompt_token_ids=self.prompt_ids(call),  # type: ignore[arg-type]
            response_token_ids=self.response_ids(call),  # type: ignore[arg-type]
            response_logprobs=self.logprobs(call),  # type: ignore[arg-type]
            response_id=sketch.response_ids[call],
            depth=self.depth(call),
        )

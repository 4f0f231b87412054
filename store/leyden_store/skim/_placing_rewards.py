"""Rewards put on the calls and rollouts of a sketch, by the rules of `reading`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from leyden_store.skim._gather import Gathering
from leyden_store.skim._sketch import Sketch
from leyden_store.turns import PostedReward, Reward


def place_rewards(sketch: Sketch, gathering: Gathering, posted: Sequence[PostedReward]) -> list[PostedReward]:
    """Put every reward where it belongs; the posted ones that the rollouts to be read may claim.

    A reward that names a response of another rollout makes that rollout and its own one to be read.
    """
    if not sketch.rewards and not posted:
        return []
    placing = _Placing(sketch, gathering)
    given: list[tuple[Reward, int, str]] = [(reward, span, gathering.homes[span]) for span, reward in sketch.rewards]
    open_ones: list[tuple[PostedReward, int]] = []
    for one in posted:
        at = placing.span_of(one)
        home = gathering.homes[at] if at >= 0 else one.rollout_id or placing.home_of_trace(one.trace_id)
        open_ones.append((one, len(given)))
        given.append((one if at < 0 else replace(one, parent_span_id=sketch.span_ids[at]), at, home))
    for reward, _, home in given:
        if reward.response_id and home not in {gathering.homes[call] for call in placing.holders(reward.response_id)}:
            placing.ask_for(reward.response_id, home)
    for reward, span, home in given:
        if home in gathering.rollouts and home not in gathering.asked:
            placing.put(reward, span, home)
    return [one for one, number in open_ones if placing.may_be_read(given[number][2], one)]


class _Placing:
    def __init__(self, sketch: Sketch, gathering: Gathering) -> None:
        self.sketch, self.gathering = sketch, gathering
        self._calls = set(sketch.calls)
        self._by_response: dict[str, list[int]] | None = None
        self._by_span: dict[str, list[int]] | None = None

    def holders(self, response_id: str) -> list[int]:
        """The calls of that response, in the order in which calls begin and the longer come first."""
        if self._by_response is None:
            self._by_response = {}
            starts, ends = self.sketch.starts, self.sketch.ends
            for call in sorted(self.sketch.calls, key=lambda call: (starts[call], -ends[call], call)):
                found = self.sketch.response_ids[call]
                if found is not None:
                    self._by_response.setdefault(found, []).append(call)
        return self._by_response.get(response_id, [])

    def ask_for(self, response_id: str, home: str) -> None:
        """Have the rollouts read between which reading has to decide."""
        homes = {self.gathering.homes[call] for call in self.holders(response_id)} | {home}
        self.gathering.ask(homes & self.gathering.rollouts.keys())

    def put(self, reward: Reward, span: int, home: str) -> None:
        call = self._call_named(reward, home)
        if call < 0 and span >= 0:
            parent = self.gathering.parents[span]
            call = span if span in self._calls else parent if parent in self._calls else -1
        found = self.gathering.rollouts[home if call < 0 else self.gathering.homes[call]]
        if call < 0:
            found.rewards.append(replace(reward, span_id="") if reward.span_id else reward)
        else:
            found.turn_rewards.setdefault(call, []).append(reward)

    def _call_named(self, reward: Reward, home: str) -> int:
        if not reward.response_id:
            return -1
        here = [call for call in self.holders(reward.response_id) if self.gathering.homes[call] == home]
        return here[-1] if here else -1

    def span_of(self, reward: PostedReward) -> int:
        """The span a posted reward names, −1 for none."""
        if not reward.span_id:
            return -1
        if self._by_span is None:
            self._by_span = {}
            for place, span_id in enumerate(self.sketch.span_ids):
                self._by_span.setdefault(span_id, []).append(place)
        found = self._by_span.get(reward.span_id, [])
        if reward.trace_id:
            found = [place for place in found if self.sketch.trace_ids[place] == reward.trace_id]
        return found[0] if found else -1

    def home_of_trace(self, trace_id: str) -> str:
        """The rollout of a trace's first root, "" for a trace that is not here."""
        traces, parents = self.sketch.trace_ids, self.gathering.parents
        roots = (place for place, trace in enumerate(traces) if trace == trace_id and parents[place] < 0)
        first = next(roots, -1) if trace_id else -1
        return self.gathering.homes[first] if first >= 0 else ""

    def may_be_read(self, home: str, reward: Reward) -> bool:
        """Whether a posted reward can belong to a rollout that is read."""
        gathering = self.gathering
        if home in gathering.asked:
            return True
        return bool(reward.response_id) and home not in gathering.rollouts and bool(gathering.asked)

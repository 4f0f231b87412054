"""Gathering a sketch: which spans make up which rollouts, where each call stands, and which rollouts need reading.

The rules are those of `reading`, `_placing` and `_doubles`; where these columns cannot apply one, the rollout is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from leyden_store._doubles import SLACK_NS
from leyden_store.skim._sketch import Sketch
from leyden_store.turns import Reward

Place = tuple[str, str, int | None, str, str | None, int, int]
"""Rollout, group, attempt, agent, policy version, depth in agents, and the nearest call at or above the span (−1)."""

_NOWHERE: Place = ("", "", None, "", None, 0, -1)


@dataclass(slots=True)
class Gathered:
    """What belongs to one rollout. Spans are places in the sketch.

    calls:        by start time, then trace and span
    turn_rewards: call → the rewards given to it
    """

    rollout_id: str
    group_id: str = ""
    attempt: int | None = None
    named: bool = False
    calls: list[int] = field(default_factory=list)
    trace_ids: set[str] = field(default_factory=set)
    rewards: list[Reward] = field(default_factory=list)
    turn_rewards: dict[int, list[Reward]] = field(default_factory=dict)


@dataclass(slots=True)
class Gathering:
    """The rollouts of a sketch, in the order of their first spans, and those among them that must be read.

    parents: each span's parent, −1 for none
    homes:   each span's rollout
    """

    rollouts: dict[str, Gathered]
    asked: set[str]
    parents: list[int]
    homes: list[str]
    places: list[Place]

    def ask(self, rollouts: Iterable[str]) -> None:
        """Have these read, and whatever shares a trace with one: a trace is read whole or not at all."""
        self.asked = _with_shared_traces(self.asked | set(rollouts), self)


def gather(sketch: Sketch) -> Gathering | None:
    """Put the spans in their places; None where a span came twice or parents stand in a ring: all must be read."""
    index = {key: place for place, key in enumerate(zip(sketch.trace_ids, sketch.span_ids, strict=True))}
    if len(index) < len(sketch.span_ids):
        return None
    parents = [
        index.get((trace, parent), -1) if parent and parent != own else -1
        for trace, parent, own in zip(sketch.trace_ids, sketch.parents, sketch.span_ids, strict=True)
    ]
    places = _places(sketch, parents)
    if places is None:
        return None
    agreed = _agreed(sketch, places)
    rollouts: dict[str, Gathered] = {}
    homes: list[str] = []
    before: tuple[str, Place] | None = None
    for trace, place in zip(sketch.trace_ids, places, strict=True):
        if before is not None and before[0] == trace and before[1] is place:
            homes.append(homes[-1])
            continue
        before = trace, place
        named = place[0] or agreed.get(trace, "")
        home = named or trace
        homes.append(home)
        found = rollouts.get(home)
        if found is None:
            found = rollouts[home] = Gathered(home)
        found.trace_ids.add(trace)
        if named:
            found.named = True
        if not found.group_id:
            found.group_id = place[1]
        if found.attempt is None:
            found.attempt = place[2]
    for call in sketch.calls:
        rollouts[homes[call]].calls.append(call)
    gathering = Gathering(rollouts, set(), parents, homes, places)
    _ask(sketch, gathering)
    return gathering


def _places(sketch: Sketch, parents: list[int]) -> list[Place] | None:
    """Each span's place: its own words first, then its parent's."""
    found: list[Place] = [_NOWHERE] * len(parents)
    done = bytearray(len(parents))
    calls = bytearray(len(parents))
    for span in (*sketch.calls, *sketch.untold):
        calls[span] = 1
    for span, parent in enumerate(parents):
        if parent < 0 or done[parent]:
            found[span] = _place(sketch, span, found[parent] if parent >= 0 else _NOWHERE, calls[span])
            done[span] = 1
    # What is left starts before its parent: clocks differ.
    for first in range(len(parents)):
        if done[first]:
            continue
        path = [first]
        while parents[path[-1]] >= 0 and not done[parents[path[-1]]]:
            path.append(parents[path[-1]])
            if len(path) > len(parents):
                return None
        for span in reversed(path):
            found[span] = _place(sketch, span, found[parents[span]], calls[span])
            done[span] = 1
    return found


def _place(sketch: Sketch, span: int, above: Place, is_call: int) -> Place:
    rollout, group, attempt, agent, policy, depth, call = above
    own_rollout, own_group, own_agent = sketch.rollouts[span], sketch.groups[span], sketch.agents[span]
    own_attempt, own_policy = sketch.attempts[span], sketch.policies[span]
    if (
        not is_call
        and own_rollout in ("", rollout)
        and own_group in ("", group)
        and own_agent in ("", agent)
        and own_attempt in (None, attempt)
        and own_policy in (None, policy)
    ):
        return above
    return (
        own_rollout or rollout,
        own_group or group,
        attempt if own_attempt is None else own_attempt,
        own_agent or agent,
        policy if own_policy is None else own_policy,
        depth + (own_agent not in ("", agent)),
        span if is_call else call,
    )


def _agreed(sketch: Sketch, places: list[Place]) -> dict[str, str]:
    """Trace → the one rollout its spans name, for traces where some span names none."""
    if all(place[0] for place in places):
        return {}
    silent = {trace for trace, place in zip(sketch.trace_ids, places, strict=True) if not place[0]}
    named: dict[str, set[str]] = defaultdict(set)
    for trace, place in zip(sketch.trace_ids, places, strict=True):
        if place[0] and trace in silent:
            named[trace].add(place[0])
    return {trace: next(iter(names)) for trace, names in named.items() if len(names) == 1}


def _ask(sketch: Sketch, gathering: Gathering) -> None:
    """Find the rollouts that must be read: with spans untold, or calls that may be one call recorded twice."""
    homes = gathering.homes
    asked = {homes[span] for span in sketch.untold}
    asked |= {homes[call] for call in sketch.calls if _doubled_above(sketch, gathering, call)}
    by_response: dict[str, list[int]] = {}
    for call in sketch.calls:
        response_id = sketch.response_ids[call]
        if response_id is not None:
            by_response.setdefault(response_id, []).append(call)
    for calls in by_response.values():
        if len(calls) > 1 and len({sketch.scopes[call] for call in calls}) > 1:
            asked |= {homes[call] for call in calls}
    asked |= _beside_untold(sketch, gathering)
    gathering.ask(asked)


def _doubled_above(sketch: Sketch, gathering: Gathering, call: int) -> bool:
    """Whether a call above this one may record the same."""
    own = sketch.response_ids[call]
    parent = gathering.parents[call]
    above = gathering.places[parent][6] if parent >= 0 else -1
    while above >= 0:
        other = sketch.response_ids.get(above)
        if own is None or other is None or own == other:
            return True
        parent = gathering.parents[above]
        above = gathering.places[parent][6] if parent >= 0 else -1
    return False


def _beside_untold(sketch: Sketch, gathering: Gathering) -> set[str]:
    """Rollouts with a call that overlaps an untold span in time, where one of the two names no rollout.

    Two instrumentations may record one call in two traces; only where both name a rollout is it known whose it is.
    """
    if not sketch.untold:
        return set()
    rollouts = gathering.rollouts
    unnamed = [span for span in sketch.untold if not rollouts[gathering.homes[span]].named]
    found: set[str] = set()
    for calls, others in (
        (sketch.calls, unnamed),
        ([call for call in sketch.calls if not rollouts[gathering.homes[call]].named], sketch.untold),
    ):
        if not calls or not others:
            continue
        starts = np.sort(np.array([sketch.starts[span] for span in others], np.int64))
        ends = np.sort(np.array([sketch.ends[span] for span in others], np.int64))
        begun = np.searchsorted(starts, np.array([sketch.ends[call] for call in calls], np.int64) + SLACK_NS, "right")
        over = np.searchsorted(ends, np.array([sketch.starts[call] for call in calls], np.int64) - SLACK_NS, "left")
        found |= {gathering.homes[call] for call, meets in zip(calls, (begun > over).tolist(), strict=True) if meets}
    return found


def _with_shared_traces(asked: Iterable[str], gathering: Gathering) -> set[str]:
    """The rollouts asked for and all that share a trace with one."""
    found = set(asked)
    traces = {trace for rollout in found for trace in gathering.rollouts[rollout].trace_ids}
    grown = bool(traces)
    while grown:
        grown = False
        for name, rollout in gathering.rollouts.items():
            if name not in found and not traces.isdisjoint(rollout.trace_ids):
                found.add(name)
                traces |= rollout.trace_ids
                grown = True
    return found

"""Gathering a sketch: which spans make up which rollouts, where each call stands, and which rollouts need reading.

The rules are those of `reading`, `_placing` and `_doubles`; where these columns cannot apply one, the rollout is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from leyden_store._doubles import SLACK_NS
from leyden_store.skim._sketch import Sketch
from leyden_store.turns import Reward

Place = tuple[str, str, int | None, str, str | None, int]
"""Rollout, group, attempt, agent, policy version, and depth in agents. A span that adds nothing has its parent's."""

_NOWHERE: Place = ("", "", None, "", None, 0)


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
    owns = zip(sketch.rollouts, sketch.groups, sketch.attempts, sketch.agents, sketch.policies, strict=True)
    for span, (parent, own) in enumerate(zip(parents, owns, strict=True)):
        if parent < 0:
            found[span] = _place(own, _NOWHERE)
        elif done[parent]:
            above = found[parent]
            found[span] = above if own == above[:5] else _place(own, above)
        else:
            continue
        done[span] = 1
    if all(done):
        return found
    # What is left starts before its parent: clocks differ.
    columns = sketch.rollouts, sketch.groups, sketch.attempts, sketch.agents, sketch.policies
    for first in range(len(parents)):
        if done[first]:
            continue
        path = [first]
        while not done[parents[path[-1]]]:
            path.append(parents[path[-1]])
            if len(path) > len(parents):
                return None
        for span in reversed(path):
            rollout, group, attempt, agent, policy = (column[span] for column in columns)
            found[span] = _place((rollout, group, attempt, agent, policy), found[parents[span]])  # type: ignore[arg-type]
            done[span] = 1
    return found


def _place(own: tuple[str, str, int | None, str, str | None], above: Place) -> Place:
    rollout, group, attempt, agent, policy = own
    if (
        (not rollout or rollout == above[0])
        and (not group or group == above[1])
        and (attempt is None or attempt == above[2])
        and (not agent or agent == above[3])
        and (policy is None or policy == above[4])
    ):
        return above
    return (
        rollout or above[0],
        group or above[1],
        above[2] if attempt is None else attempt,
        agent or above[3],
        above[4] if policy is None else policy,
        above[5] + (agent not in ("", above[3])),
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
    every = {*sketch.calls, *sketch.untold}
    asked |= {homes[call] for call in sketch.calls if _doubled_above(sketch, gathering, call, every)}
    response_ids = [sketch.response_ids[call] for call in sketch.calls]
    if len(set(response_ids)) < len(response_ids):
        asked |= _told_by_two(sketch, homes)
    asked |= _beside_untold(sketch, gathering)
    # Calls that nothing stands above and that name no rollout may be stitched together by what was said.
    asked |= {
        homes[call]
        for call in sketch.calls
        if gathering.parents[call] < 0 and not gathering.rollouts[homes[call]].named
    }
    # Calls that nothing stands above may be one conversation with others: that is for stitching, which reads words.
    rollouts = gathering.rollouts
    loose = {homes[call] for call in sketch.calls if gathering.parents[call] < 0 and not rollouts[homes[call]].named}
    if len(loose) > 1:
        asked |= loose
    gathering.ask(asked)


def _told_by_two(sketch: Sketch, homes: Sequence[str]) -> set[str]:
    """Rollouts with calls of one response that two instrumentations recorded."""
    by_response: dict[str, list[int]] = {}
    for call in sketch.calls:
        response_id = sketch.response_ids[call]
        if response_id is not None:
            by_response.setdefault(response_id, []).append(call)
    doubled = [calls for calls in by_response.values() if len({sketch.scopes[call] for call in calls}) > 1]
    return {homes[call] for calls in doubled for call in calls}


def _doubled_above(sketch: Sketch, gathering: Gathering, call: int, calls: set[int]) -> bool:
    """Whether a call above this one may record the same."""
    own, parents = sketch.response_ids[call], gathering.parents
    above = parents[call]
    while above >= 0:
        if above in calls:
            other = sketch.response_ids.get(above)
            if own is None or other is None or own == other:
                return True
        above = parents[above]
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

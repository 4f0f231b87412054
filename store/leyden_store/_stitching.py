"""Stitching: calls that nothing stands above, each in a trace of its own, put together as the conversations they were.

An agent that is captured without a root gives a trace a call. Such traces that name no rollout are joined by the
conversation they name, else by what was said: a call whose history is an earlier call's history and its reply continues
it. Where several could come before, it stays apart, and that is counted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from leyden_store._doubles import SLACK_NS, Read
from leyden_store._placing import Place
from leyden_store.tree import Key, SpanTree
from leyden_store.turns import Message

_PATIENCE_NS = 3_600 * 10**9
"""How long an agent may think or its tools work between two calls: a later call that fits is another conversation."""

_History = tuple[str, int]
"""A service, and a hash of everything said so far."""


@dataclass(slots=True)
class Stitches:
    """What was joined and what was not.

    joins: trace → an earlier trace of the same conversation
    notes: trace → why it was joined or left apart
    """

    joins: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    apart: set[str] = field(default_factory=set)

    def first(self, trace: str) -> str:
        """The first trace of the conversation the trace is in."""
        while trace in self.joins:
            trace = self.joins[trace]
        return trace

    def join(self, trace: str, earlier: str, note: str) -> None:
        """Make the two one conversation, if they are not."""
        own, first = self.first(trace), self.first(earlier)
        if own != first:
            self.joins[own] = first
            self.notes[trace] = note


def wanted(asked: bool | None) -> bool:
    """Whether to stitch: as asked, else as the environment says; it is on unless switched off."""
    if asked is not None:
        return asked
    return os.environ.get("LEYDEN_STITCHING", "").strip().lower() not in ("off", "false", "no", "0")


def stitch(groups: Sequence[Sequence[Read]], tree: SpanTree, placed: Mapping[Key, Place]) -> Stitches:
    """Find which traces are one conversation. `groups` are the calls, each outermost span first."""
    loose = _loose(groups, tree, placed)
    stitches = Stitches()
    if len(loose) < 2:
        return stitches
    calls = [group for group in groups if group[0].span.trace_id in loose]
    calls.sort(key=lambda group: (group[0].span.start_ns, group[0].span.trace_id, group[0].span.span_id))
    silent = []
    first_of: dict[str, str] = {}
    for group in calls:
        outer = group[0].span
        session = placed[outer.trace_id, outer.span_id].session or _told(group).call.session_id
        if not session:
            silent.append(group)
        else:
            first = first_of.setdefault(session, outer.trace_id)
            stitches.join(outer.trace_id, first, "joined to its rollout by the conversation it names")
    _by_history(silent, stitches)
    return stitches


def _loose(groups: Sequence[Sequence[Read]], tree: SpanTree, placed: Mapping[Key, Place]) -> set[str]:
    """Traces that name no rollout and whose roots are all calls to models."""
    calls = {(read.span.trace_id, read.span.span_id) for group in groups for read in group}
    loose = {root.trace_id for root in tree.roots}
    for root in tree.roots:
        key = root.trace_id, root.span_id
        if placed[key].rollout or key not in calls:
            loose.discard(root.trace_id)
    return loose


def _by_history(calls: Sequence[Sequence[Read]], stitches: Stitches) -> None:
    """Join each call to the one whose history and reply its own history begins with; the longest such history wins."""
    ended: dict[_History, list[tuple[int, str]]] = {}
    hashes: dict[int, int] = {}
    for group in calls:
        outer, told = group[0].span, _told(group)
        said = 0
        histories: list[_History] = []
        for message in told.call.messages:
            said = _hash(said, message, hashes)
            histories.append((outer.service, said))
        for history in reversed(histories[:-1]):
            before = {
                stitches.first(trace)
                for end, trace in ended.get(history, ())
                if trace != outer.trace_id and end - SLACK_NS <= outer.start_ns <= end + _PATIENCE_NS
            }
            if before:
                if len(before) == 1:
                    stitches.join(outer.trace_id, next(iter(before)), "joined to its rollout by what was said before")
                else:
                    stitches.apart.add(outer.trace_id)
                    stitches.notes[outer.trace_id] = f"left apart: {len(before)} conversations could come before"
                break
        if told.call.response is not None and histories:
            after = outer.service, _hash(said, told.call.response, hashes)
            ended.setdefault(after, []).append((outer.end_ns, outer.trace_id))


def _told(group: Sequence[Read]) -> Read:
    """The innermost read that tells messages."""
    return next((read for read in reversed(group) if read.call.messages), group[-1])


def _hash(before: int, message: Message, known: dict[int, int]) -> int:
    """What was said so far and then this. Histories share the messages they repeat, so each is hashed once."""
    own = known.get(id(message))
    if own is None:
        own = known[id(message)] = hash(_essence(message))
    return hash((before, own))


def _essence(message: Message) -> str:
    """What two captures of one message agree in: not the ids of calls, nor how arguments are spaced, nor reasoning."""
    calls = [
        (call.get("function", {}).get("name"), _arguments(call.get("function", {}).get("arguments")))
        for call in message.get("tool_calls", ())
    ]
    return json.dumps([message["role"], message.get("content") or message.get("refusal"), calls], sort_keys=True)


def _arguments(text: object) -> object:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text

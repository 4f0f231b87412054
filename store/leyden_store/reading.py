"""Reading: spans of any instrumentation become rollouts of turns, every LLM span accounted for.

Pure: spans and rewards in, rollouts out. The dialects say what a span means; here is decided where it belongs.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from leyden_store._doubles import Read, fold
from leyden_store._placing import Place, places
from leyden_store._rewards import rewards_of
from leyden_store._stitching import Stitches, stitch, wanted
from leyden_store._turn import make_turn
from leyden_store.dialects import Unreadable, looks_like_llm, recognise
from leyden_store.spans import Span
from leyden_store.tree import Key, SpanTree, build
from leyden_store.turns import Dropped, DropReason, PostedReward, Reward, Rollout, Turn

__all__ = ["PostedReward", "read_rollouts"]


def read_rollouts(
    spans: Iterable[Span], rewards: Iterable[PostedReward] = (), *, stitching: bool | None = None
) -> list[Rollout]:
    """Read every rollout among the spans, by start time.

    A span's rollout is the one it or a span above it names, else its trace; traces that are one conversation are named
    by the first, unless `stitching` is off (None: as LEYDEN_STITCHING says, on without it). Every LLM span is a turn or
    is dropped with a reason. `rewards` are those posted from outside; one that names nothing here is left out.
    """
    with no_search_for_cycles():
        return _read(spans, rewards, stitching)


@contextmanager
def no_search_for_cycles() -> Iterator[None]:
    """Reading makes many objects and no cycles: searching them over and over takes a third of its time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _read(spans: Iterable[Span], rewards: Iterable[PostedReward], stitching: bool | None) -> list[Rollout]:
    tree = build(spans)
    placed = places(tree)
    reads, lost = _read_calls(tree, placed)
    groups = fold(reads, tree)
    stitches = stitch(groups, tree, placed) if wanted(stitching) else Stitches()
    rollout_of = _Rollouts(placed, groups, stitches)
    tool_ids = _tool_ids(groups, rollout_of)
    gathered: dict[str, _Gathered] = {}
    for span in tree.spans:
        place = placed[span.trace_id, span.span_id]
        key = rollout_of.named(place.rollout or span.trace_id)
        if key not in gathered:
            gathered[key] = _Gathered()
        gathered[key].add(span, place)
    for group in groups:
        gathered[rollout_of.read(group[0])].calls.append(group)
    for span, dropped in lost:
        key = rollout_of.span(span)
        gathered[key].dropped.append(replace(dropped, rollout_id=key))
    _place_rewards(tree, rewards, groups, gathered, rollout_of)
    return [
        _rollout(key, found, placed, tool_ids.get(key, {}), stitches)
        for key, found in gathered.items()
        if found.says_something
    ]


class _Gathered:
    """What belongs to one rollout, while it is being gathered."""

    def __init__(self) -> None:
        self.trace_ids: dict[str, None] = {}
        self.calls: list[list[Read]] = []
        self.dropped: list[Dropped] = []
        self.rewards: list[Reward] = []
        self.turn_rewards: dict[Key, list[Reward]] = {}
        self.group_id = ""
        self.attempt: int | None = None
        self.named = False

    def add(self, span: Span, place: Place) -> None:
        self.trace_ids[span.trace_id] = None
        self.named = self.named or bool(place.rollout)
        self.group_id = self.group_id or place.group
        self.attempt = place.attempt if self.attempt is None else self.attempt

    @property
    def says_something(self) -> bool:
        return bool(self.named or self.calls or self.dropped or self.rewards)


class _Rollouts:
    """Which rollout a span belongs to. A trace that holds only the inner half of doubled calls joins the outer's."""

    def __init__(self, placed: dict[Key, Place], groups: list[list[Read]], stitches: Stitches) -> None:
        self._placed = placed
        self._joined = dict(stitches.joins)
        for group in groups:
            for read in group[1:]:
                outer, own = self.read(group[0]), self.named(read.span.trace_id)
                if not read.rollout and own != outer:
                    self._joined[own] = outer

    def span(self, span: Span) -> str:
        return self.named(self._placed[span.trace_id, span.span_id].rollout or span.trace_id)

    def read(self, read: Read) -> str:
        return self.named(read.rollout or read.span.trace_id)

    def named(self, rollout_id: str) -> str:
        while rollout_id in self._joined:
            rollout_id = self._joined[rollout_id]
        return rollout_id


def _read_calls(tree: SpanTree, placed: dict[Key, Place]) -> tuple[list[Read], list[tuple[Span, Dropped]]]:
    reads: list[Read] = []
    lost: list[tuple[Span, Dropped]] = []
    named = [(span, placed[span.trace_id, span.span_id].rollout) for span in tree.spans]
    # Rollout by rollout, whatever ran beside it: the dialects remember the last few histories they read.
    for span, rollout in sorted(named, key=lambda one: one[1] or one[0].trace_id):
        dialect = recognise(span)
        if dialect is None:
            if looks_like_llm(span):
                detail = f"scope {span.scope_name or '(none)'}, span {span.name}"
                lost.append((span, Dropped(span.trace_id, span.span_id, "", DropReason.UNKNOWN_DIALECT, detail)))
            continue
        try:
            reads.append(Read(span, dialect.read(span), rollout))
        except Unreadable as error:
            lost.append((span, Dropped(span.trace_id, span.span_id, "", DropReason.UNREADABLE, str(error))))
        except Exception as error:  # What others sent must never stop the reading of the rest.
            detail = f"{dialect.NAME}: {type(error).__name__}: {error}"
            lost.append((span, Dropped(span.trace_id, span.span_id, "", DropReason.UNREADABLE, detail)))
    return reads, lost


def _tool_ids(groups: list[list[Read]], rollout_of: _Rollouts) -> dict[str, dict[str, str]]:
    """Rollout → ids its calls were captured with → ids their results name, as later calls of the history told.

    What another rollout told holds too where all agree: a loop without a root is a rollout per call.
    """
    told: dict[str, dict[str, str]] = {}
    by_all: dict[str, set[str]] = {}
    for group in groups:
        for read in group:
            if read.call.tool_ids:
                told.setdefault(rollout_of.read(read), {}).update(read.call.tool_ids)
                for captured, joined in read.call.tool_ids.items():
                    by_all.setdefault(captured, set()).add(joined)
    if not by_all:
        return {}
    agreed = {captured: next(iter(joined)) for captured, joined in by_all.items() if len(joined) == 1}
    keys = {rollout_of.read(group[0]) for group in groups}
    return {key: {**agreed, **told.get(key, {})} for key in keys}


def _place_rewards(
    tree: SpanTree,
    posted: Iterable[PostedReward],
    groups: list[list[Read]],
    gathered: dict[str, _Gathered],
    rollout_of: _Rollouts,
) -> None:
    found: list[tuple[Reward, Span | None, str]] = [(r, span, "") for span in tree.spans for r in rewards_of(span)]
    posted = list(posted)
    if not (found or posted):
        return
    turn_of: dict[Key, tuple[str, Key]] = {}
    for group in groups:
        target = rollout_of.read(group[0]), (group[0].span.trace_id, group[0].span.span_id)
        turn_of.update(((read.span.trace_id, read.span.span_id), target) for read in group)
    responses: dict[str, list[tuple[str, Key]]] = {}
    spans = {(span.trace_id, span.span_id): span for span in tree.spans} if posted else {}
    of_trace = {root.trace_id: rollout_of.span(root) for root in reversed(tree.roots)} if posted else {}
    for given in posted:
        at = _span_of(given, spans)
        placed = given if at is None else replace(given, parent_span_id=at.span_id)
        found.append((placed, at, given.rollout_id or of_trace.get(given.trace_id, "")))
    if any(reward.response_id for reward, _, _ in found):
        for found_rollout in gathered.values():
            for group in found_rollout.calls:
                for response_id in {read.call.response_id for read in group} - {None}:
                    target = turn_of[group[0].span.trace_id, group[0].span.span_id]
                    responses.setdefault(str(response_id), []).append(target)
    for reward, span, named in found:
        home = rollout_of.span(span) if span else rollout_of.named(named)
        turn = _turn_named(reward, home, responses) or (_turn_at(span, tree, turn_of) if span else None)
        if turn is not None:
            gathered[turn[0]].turn_rewards.setdefault(turn[1], []).append(reward)
        elif home in gathered:
            gathered[home].rewards.append(replace(reward, span_id=""))


def _span_of(reward: PostedReward, spans: dict[Key, Span]) -> Span | None:
    if not reward.span_id:
        return None
    if reward.trace_id:
        return spans.get((reward.trace_id, reward.span_id))
    return next((span for key, span in spans.items() if key[1] == reward.span_id), None)


def _turn_named(reward: Reward, home: str, responses: dict[str, list[tuple[str, Key]]]) -> tuple[str, Key] | None:
    """The turn of the response a reward names: in its own rollout first, elsewhere only if there is just one."""
    targets = responses.get(reward.response_id, []) if reward.response_id else []
    here = [target for target in targets if target[0] == home]
    if here:
        return here[-1]
    return targets[0] if len(targets) == 1 else None


def _turn_at(span: Span, tree: SpanTree, turn_of: dict[Key, tuple[str, Key]]) -> tuple[str, Key] | None:
    """The turn a rewarded span is, or hangs directly under."""
    own = turn_of.get((span.trace_id, span.span_id))
    if own is not None:
        return own
    parent = tree.parent(span)
    return turn_of.get((parent.trace_id, parent.span_id)) if parent is not None else None


def _rollout(
    key: str, found: _Gathered, placed: dict[Key, Place], tool_ids: dict[str, str], stitches: Stitches
) -> Rollout:
    turns: list[Turn] = []
    dropped = list(found.dropped)
    calls = sorted(found.calls, key=lambda g: (g[0].span.start_ns, g[0].span.trace_id, g[0].span.span_id))
    for index, group in enumerate(calls):
        outer = group[0].span
        at = (outer.trace_id, outer.span_id)
        rewards = sorted(found.turn_rewards.get(at, ()), key=lambda reward: reward.time_ns)
        turns.append(
            make_turn(
                group,
                placed[at],
                index,
                rollout_id=key,
                group_id=found.group_id,
                attempt=found.attempt,
                rewards={r.name: r.value for r in rewards},
                tool_ids=tool_ids,
                note=stitches.notes.get(outer.trace_id),
            ),
        )
        for read in group[1:]:
            detail = f"records the call of span {outer.span_id} too"
            inner = read.span
            dropped.append(Dropped(inner.trace_id, inner.span_id, key, DropReason.DOUBLED, detail))
    return Rollout(
        rollout_id=key,
        group_id=found.group_id,
        attempt=found.attempt,
        trace_ids=tuple(found.trace_ids),
        turns=tuple(turns),
        dropped=tuple(dropped),
        rewards=tuple(sorted(found.rewards, key=lambda reward: reward.time_ns)),
        stitched=len(stitches.joins.keys() & found.trace_ids.keys()),
        left_apart=len(stitches.apart & found.trace_ids.keys()),
    )

"""Doubled LLM spans: one call recorded by two instrumentations, a framework's and the client's."""

from __future__ import annotations

from collections.abc import Sequence

from leyden_store.records import record
from leyden_store.spans import Span
from leyden_store.tree import Key, SpanTree
from leyden_store.turns import Call

SLACK_NS = 1_000_000
"""Frameworks round their clocks to a millisecond or less."""


@record(frozen=True, slots=True)
class Read:
    """An LLM span and what its dialect read from it."""

    span: Span
    call: Call
    rollout: str


def fold(reads: Sequence[Read], tree: SpanTree) -> list[list[Read]]:
    """Group the reads that record one call, each group outermost first.

    Two spans record one call when they name the same response and one is above the other, or, in different
    instrumentations (then also across traces), encloses it in time. The same response id alone does not do: a
    replaying server gives one id to many calls. Where an id is missing, a span above with the same messages does.
    A span that continues a call joins the one that began it.
    """
    groups: list[list[Read]] = []
    begun: dict[Key, list[Read]] = {}
    group_of: dict[int, list[Read]] = {}
    by_key = {(read.span.trace_id, read.span.span_id): read for read in reads}
    above = {id(read): _llm_above(read, tree, by_key) for read in reads}
    open_by_id: dict[str, dict[str, list[Read]]] = {}
    in_parts = any(read.call.continues for read in reads)
    for read in sorted(reads, key=lambda r: (r.span.start_ns, -r.span.end_ns, r.span.trace_id, r.span.span_id)):
        outer = _by_ancestry(read, above) or _by_time(read, open_by_id)
        if in_parts:
            outer = outer or _begun_beside(read, begun)
        group = group_of.get(id(outer)) if outer else None
        if group is None:
            group = []
            groups.append(group)
        group.append(read)
        group_of[id(read)] = group
    return groups


def _llm_above(read: Read, tree: SpanTree, by_key: dict[Key, Read]) -> Read | None:
    for span in tree.ancestors(read.span):
        found = by_key.get((span.trace_id, span.span_id))
        if found is not None:
            return found
    return None


def _by_ancestry(read: Read, above: dict[int, Read | None]) -> Read | None:
    outer = above[id(read)]
    while outer is not None:
        ids = {outer.call.response_id, read.call.response_id}
        if None not in ids and len(ids) == 1:
            return outer
        if None in ids and read.call.messages and outer.call.messages == read.call.messages:
            return outer
        outer = above[id(outer)]
    return None


def _by_time(read: Read, open_by_id: dict[str, dict[str, list[Read]]]) -> Read | None:
    """The read of another instrumentation, of the same response, whose span is still open when this one starts."""
    response_id = read.call.response_id
    if response_id is None:
        return None
    span = read.span
    by_scope = open_by_id.setdefault(response_id, {})
    outer = None
    for scope, reads in by_scope.items():
        if scope == span.scope_name:
            continue
        reads[:] = [other for other in reads if other.span.end_ns >= span.start_ns]
        outer = outer or next((other for other in reads if _encloses(other, read)), None)
    by_scope.setdefault(span.scope_name, []).append(read)
    return outer


def _begun_beside(read: Read, begun: dict[Key, list[Read]]) -> Read | None:
    """The read under the same parent, or with none, that began the call this one tells the end of."""
    # Where nothing stands above, each has a trace of its own.
    parent = read.span.parent_span_id
    beside = begun.setdefault((read.span.trace_id if parent else "", parent), [])
    if not read.call.continues:
        if read.call.response is None and read.span.status != "Error":
            beside.append(read)
        return None
    for other in beside:
        if other.call.messages == read.call.messages and other.span.scope_name == read.span.scope_name:
            beside.remove(other)
            return other
    return None


def _encloses(outer: Read, inner: Read) -> bool:
    same_rollout = outer.rollout == inner.rollout or not outer.rollout or not inner.rollout
    return same_rollout and outer.span.end_ns + SLACK_NS >= inner.span.end_ns

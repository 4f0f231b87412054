"""A span tree as JSON: what `leyden trace --json` prints and the API answers."""

from __future__ import annotations

from typing import Any

from leyden_store.spans import Attributes, AttributeValue, Span
from leyden_store.tree import SpanTree


def tree_json(tree: SpanTree) -> dict[str, Any]:
    """`{"roots": [span ids], "repairs": […], "spans": […]}`.

    Spans come parents first, each with its `depth` and its `children` (span ids).
    """
    return {
        "roots": [root.span_id for root in tree.roots],
        "repairs": [
            {"kind": str(repair.kind), "span_id": repair.span_id, "detail": repair.detail} for repair in tree.repairs
        ],
        "spans": [
            {**_span(span), "depth": depth, "children": [child.span_id for child in tree.children(span)]}
            for depth, span in tree.walk()
        ],
    }


def _span(span: Span) -> dict[str, Any]:
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id,
        "name": span.name,
        "kind": span.kind,
        "service": span.service,
        "scope": {"name": span.scope_name, "version": span.scope_version},
        "start_ns": span.start_ns,
        "end_ns": span.end_ns,
        "status": span.status,
        "status_message": span.status_message,
        "project": span.project,
        "rollout_id": span.rollout_id,
        "group_id": span.group_id,
        "attempt": span.attempt,
        "session_id": span.session_id,
        "policy_version": span.policy_version,
        "attributes": _attributes(span.attributes),
        "resource": _attributes(span.resource),
        "events": [
            {"time_ns": event.time_ns, "name": event.name, "attributes": _attributes(event.attributes)}
            for event in span.events
        ],
        "links": [
            {"trace_id": link.trace_id, "span_id": link.span_id, "attributes": _attributes(link.attributes)}
            for link in span.links
        ],
        "dropped_attributes": span.dropped_attributes,
        "prompt_token_ids": span.prompt_token_ids,
        "response_token_ids": span.response_token_ids,
        "response_logprobs": span.response_logprobs,
    }


def _attributes(attributes: Attributes) -> dict[str, Any]:
    return {key: _plain(value) for key, value in attributes.items()}


def _plain(value: AttributeValue) -> Any:
    """JSON has no bytes: they are hex, as OTLP/JSON writes ids."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return _attributes(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value

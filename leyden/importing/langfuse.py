"""Langfuse: observations as JSON Lines, from its blob storage export (snake case) or its API (camel case).

https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from leyden.importing._values import Unusable, as_text, attribute, named, nanoseconds, span_id, trace_id
from leyden_store.spans import AttributeValue, Span

_TYPES = {"SPAN", "GENERATION", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "EMBEDDING", "GUARDRAIL"}


def is_one(record: Mapping[str, Any]) -> bool:
    """Whether a record is an observation."""
    known = _snake(record)
    return {"id", "trace_id", "type", "start_time"} <= set(known) and str(known["type"]).upper() in _TYPES


def span(record: Mapping[str, Any]) -> Span:
    """An observation as the span Langfuse's own SDK would have sent. Raises Unusable."""
    known = _snake(record)
    start = nanoseconds(known.get("start_time"), "start_time")
    end = known.get("end_time")
    parent = known.get("parent_observation_id")
    attributes: dict[str, AttributeValue] = {"langfuse.observation.type": str(named(known, "type") or "span").lower()}
    for key, names in _COPIED.items():
        value = named(known, *names)
        if value is not None:
            attributes[key] = (
                as_text(value) if key.endswith(("input", "output", "details", "parameters")) else attribute(value)
            )
    metadata = known.get("metadata")
    if isinstance(metadata, Mapping):
        for key, value in metadata.items():
            attributes[f"langfuse.observation.metadata.{key}"] = attribute(value)
    failed = str(known.get("level") or "").upper() == "ERROR"
    return Span(
        trace_id=trace_id(known.get("trace_id")),
        span_id=span_id(known.get("id")),
        parent_span_id=span_id(parent) if parent else "",
        name=str(known.get("name") or "observation"),
        start_ns=start,
        end_ns=max(start, nanoseconds(end, "end_time")) if end else start,
        status="Error" if failed else "Unset",
        status_message=str(known.get("status_message") or "") if failed else "",
        scope_name="langfuse-sdk",
        service=str(known.get("environment") or "langfuse"),
        resource={"service.name": str(known.get("environment") or "langfuse")},
        attributes=attributes,
    )


_COPIED = {
    "langfuse.observation.input": ("input",),
    "langfuse.observation.output": ("output",),
    "langfuse.observation.model.name": ("model", "provided_model_name"),
    "langfuse.observation.model.parameters": ("model_parameters",),
    "langfuse.observation.usage_details": ("usage_details", "usage"),
    "langfuse.observation.cost_details": ("cost_details",),
    "langfuse.observation.level": ("level",),
    "session.id": ("session_id",),
    "user.id": ("user_id",),
    "langfuse.trace.name": ("trace_name",),
    "langfuse.version": ("version",),
}


def _snake(record: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(record, Mapping):
        raise Unusable("no object")
    return {
        re.sub(r"(?<=[a-z])([A-Z])", lambda found: "_" + found[1].lower(), key): value for key, value in record.items()
    }

"""The columns the store extracts from a span: which attribute names feed each, span before resource.

The ClickHouse views extract the same in SQL; this is the one place that says it in Python.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Any

from leyden_store.spans import Attributes, AttributeValue, Span

SOURCES: dict[str, tuple[str, ...]] = {
    "project": ("leyden.project",),
    "rollout_id": ("leyden.rollout.id", "agentlightning.rollout_id"),
    "group_id": ("leyden.group.id",),
    "attempt": ("leyden.attempt", "agentlightning.attempt_id"),
    "session_id": (
        "gen_ai.conversation.id",
        "session.id",
        "langfuse.session.id",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.thread_id",
        "mlflow.trace.session",
        "ai.telemetry.metadata.sessionId",
    ),
    "user_id": (
        "user.id",
        "enduser.id",
        "langfuse.user.id",
        "traceloop.association.properties.user_id",
        "mlflow.trace.user",
        "ai.telemetry.metadata.userId",
    ),
    "policy_version": ("leyden.policy.version",),
}
"""Column → attribute names, the first one that names something wins, on the span before on the resource."""

TOKEN_ARRAYS = ("prompt_token_ids", "response_token_ids", "response_logprobs")
"""Columns whose attribute leaves `Span.attributes`: they are heavy and kept once. Its name has `leyden.` before the
column's, and `.packed` behind it where ids came as text.
"""


def columns_of(attributes: Attributes, resource: Attributes) -> dict[str, Any]:
    """Every extracted column of a span, ready to pass to `Span(**columns)`."""
    attempt = _first(attributes, resource, SOURCES["attempt"])
    version = _first(attributes, resource, SOURCES["policy_version"])
    return {
        "project": _text(_first(attributes, resource, SOURCES["project"])) or "default",
        "rollout_id": _text(_first(attributes, resource, SOURCES["rollout_id"])),
        "group_id": _text(_first(attributes, resource, SOURCES["group_id"])),
        "attempt": _integer(attempt),
        "session_id": _text(_first(attributes, resource, SOURCES["session_id"])),
        "user_id": _text(_first(attributes, resource, SOURCES["user_id"])),
        "policy_version": _text(version) or None,
        "prompt_token_ids": _token_ids(attributes, "leyden.prompt_token_ids"),
        "response_token_ids": _token_ids(attributes, "leyden.response_token_ids"),
        "response_logprobs": _floats(attributes.get("leyden.response_logprobs")),
    }


def columns_to_attributes(span: Span) -> dict[str, AttributeValue]:
    """The attributes that must be written beside `span.attributes` for its columns to be read back."""
    implied = columns_of(span.attributes, span.resource)
    missing: dict[str, AttributeValue] = {}
    for column, names in SOURCES.items():
        value = getattr(span, column)
        if value != implied[column] and value not in (None, ""):
            missing[names[0]] = value
    for column in TOKEN_ARRAYS:
        array = getattr(span, column)
        if array is not None:
            missing[f"leyden.{column}"] = list(array)
    return missing


def _first(attributes: Attributes, resource: Attributes, names: Sequence[str]) -> str | int | None:
    """The first that names something: a text or a whole number. True, 0.5 or a list names nothing."""
    for name in names:
        for source in (attributes, resource):
            value = source.get(name)
            if (isinstance(value, str) and value != "") or type(value) is int:
                return value
    return None


def _text(value: str | int | None) -> str:
    return "" if value is None else str(value)


def _integer(value: str | int | None) -> int | None:
    """As ClickHouse's toInt32OrNull reads it."""
    text = _text(value)
    number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,20}", text) else None
    return number if number is not None and -(2**31) <= number < 2**31 else None


def _integers(value: AttributeValue) -> list[int] | None:
    if not value or not isinstance(value, list | tuple) or not all(type(item) is int for item in value):
        return None
    return list(value)


def _token_ids(attributes: Attributes, name: str) -> list[int] | None:
    """The list of that name, else what is packed beside it: three bytes an id, little-endian, in base64."""
    return _integers(attributes.get(name)) or _unpacked(attributes.get(f"{name}.packed"))


def spelled(attributes: Attributes, name: str) -> str:
    """The attribute that a token column was read from: the list, or what is packed where there is no list."""
    packed = f"{name}.packed"
    is_list = _integers(attributes.get(name)) or _floats(attributes.get(name))
    return packed if packed in attributes and not is_list else name


def _unpacked(value: AttributeValue) -> list[int] | None:
    """As the views unpack it: None, and the attribute stays, where it is not base64 of three bytes an id."""
    if not isinstance(value, str) or not re.fullmatch(r"(?:[A-Za-z0-9+/]{4})+", value):
        return None
    raw = base64.b64decode(value)
    return [low | middle << 8 | high << 16 for low, middle, high in zip(raw[0::3], raw[1::3], raw[2::3], strict=True)]


def _floats(value: AttributeValue) -> list[float] | None:
    if not value or not isinstance(value, list | tuple) or not all(type(item) in (int, float) for item in value):
        return None
    return [float(item) for item in value]

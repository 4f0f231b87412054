"""Python values as span attributes: what OpenTelemetry takes stays, everything else becomes JSON text."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from opentelemetry import trace
from opentelemetry.util.types import AttributeValue

_PLAIN = (str, bool, int, float)


def annotate(**attributes: Any) -> None:
    """Put attributes on the current span; names with dots go as `annotate(**{"app.tenant": "a"})`.

    Values may be strings, numbers, booleans or lists of one of those; anything else becomes JSON, None nothing.
    Without a span that records, nothing happens.
    """
    span = trace.get_current_span()
    if not span.is_recording():
        return
    for name, value in attributes.items():
        written = as_attribute(value)
        if written is not None:
            span.set_attribute(name, written)


def as_attribute(value: Any) -> AttributeValue | None:
    """The value as an attribute may hold it; None for None, and for what has no text."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list | tuple):
        kinds = {type(v) for v in value}
        if len(kinds) == 1 and kinds <= set(_PLAIN):
            return list(value)
    return None if value is None else as_text(value)


def as_text(value: Any) -> str | None:
    """A string as it is, anything else as JSON; None for what cannot be written, which must not stop the program."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=plain)
    except Exception:
        return None


def plain(value: Any) -> Any:
    """What JSON has no word for, as what it has: fields of an object, a list, else its text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return sorted(value, key=repr) if isinstance(value, set | frozenset) else str(value)

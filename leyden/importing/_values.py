"""What the importers share: ids that stay the same, times in any spelling, JSON values as attributes."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from leyden_store.spans import AttributeValue


class Unusable(Exception):
    """A record that is no span of that tool's; the text says why."""


def trace_id(text: Any) -> str:
    """32 hex digits: the id itself where it is one (dashes apart), else a hash of it, which stays the same."""
    return _hex(text, 32, "trace id")


def span_id(text: Any) -> str:
    """16 hex digits, likewise."""
    return _hex(text, 16, "span id")


def _hex(text: Any, digits: int, what: str) -> str:
    if not isinstance(text, str) or not text:
        raise Unusable(f"no {what}")
    plain = text.lower().removeprefix("0x").removeprefix("tr-").replace("-", "")
    if re.fullmatch(rf"[0-9a-f]{{{digits}}}", plain) and set(plain) != {"0"}:
        return plain
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def nanoseconds(value: Any, what: str) -> int:
    """Unix nanoseconds of an ISO time (UTC without an offset), a datetime, or a number of s, ms, µs or ns."""
    if isinstance(value, datetime):
        at = value.replace(tzinfo=UTC) if value.tzinfo is None else value
        return (int(at.timestamp()) * 10**6 + at.microsecond) * 1000
    if isinstance(value, str) and value.strip():
        text = value.strip()
        if re.fullmatch(r"\d+", text):
            return nanoseconds(int(text), what)
        try:
            return nanoseconds(datetime.fromisoformat(text), what)
        except ValueError as error:
            raise Unusable(f"{what} {value!r} is no time") from error
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0:
        scale = next(scale for limit, scale in _SCALES if value < limit)
        return value * scale if isinstance(value, int) else round(value * scale / 1000) * 1000
    raise Unusable(f"{what} {value!r} is no time" if value is not None else f"no {what}")


_SCALES = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3), (math.inf, 1))
"""Numbers below the first are seconds, then milliseconds, microseconds, nanoseconds: right for 1973 to 5138."""


def attribute(value: Any) -> AttributeValue:
    """A JSON value as an attribute: plain values and lists of one type as they are, anything else as JSON text."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    alike = isinstance(value, list) and value and all(type(item) is type(value[0]) for item in value)
    if alike and isinstance(value[0], str | bool | int | float):
        return list(value)
    return as_text(value)


def as_text(value: Any) -> str:
    """JSON text; a text that is given is left as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def named(record: Mapping[str, Any], *names: str) -> Any:
    """The first of the names that holds something."""
    return next((record[name] for name in names if record.get(name) not in (None, "")), None)

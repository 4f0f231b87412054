"""How the page says numbers and times."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

_UNITS = ((3600e9, "h"), (60e9, "min"), (1e9, "s"), (1e6, "ms"), (1e3, "µs"))


def duration(ns: float) -> str:
    """Nanoseconds in the unit that fits, to three digits."""
    for size, unit in _UNITS:
        if abs(ns) >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.0f} ns"


def moment(ns: int) -> str:
    """Unix nanoseconds as a UTC time, to the millisecond."""
    return f"{datetime.fromtimestamp(ns / 1e9, UTC):%Y-%m-%d %H:%M:%S}.{ns // 1_000_000 % 1000:03d}"


def size(count: float) -> str:
    """Bytes in the unit that fits, to three digits."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if count >= 1024**power:
            return f"{count / 1024**power:.3g} {unit}"
    return f"{count:.0f} B"


def number(value: float | None) -> str:
    """To four digits; a dash for none."""
    return "–" if value is None else f"{value:.4g}"


def pretty(value: Any) -> str:
    """JSON for people; text that is JSON too, other text as it stands."""
    if isinstance(value, str):
        try:
            read = json.loads(value)
        except ValueError:
            return value
        if not isinstance(read, dict | list):
            return value
        value = read
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)

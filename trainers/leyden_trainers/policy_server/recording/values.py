"""Values of requests and replies that nobody has checked: as what they should be, or as nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mapping(value: Any) -> Mapping[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list."""
    return [item for item in listed(value) if isinstance(item, Mapping)]


def listed(value: Any) -> list[Any]:
    """A list, or an empty one."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """A string, or an empty one."""
    return value if isinstance(value, str) else ""


def integers(value: Any) -> list[int]:
    """A list of integers that OTLP can hold, or an empty one."""
    whole = isinstance(value, list) and all(isinstance(item, int) and 0 <= item < 2**63 for item in value)
    return value if whole else []


def count(value: Any) -> int | None:
    """An integer that OTLP can hold, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def number(value: Any) -> int | float | None:
    """A number, or None."""
    return value if isinstance(value, float) else count(value)

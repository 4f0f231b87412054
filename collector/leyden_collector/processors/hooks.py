"""Processors of others: Python callables that a package offers under the entry point group `leyden.processors`."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any

from leyden_collector.processors.base import Processor
from leyden_store.errors import LeydenError

GROUP = "leyden.processors"


class ProcessorNotFound(LeydenError):
    """No installed package offers a processor of that name; says the near ones."""


def load(name: str, settings: Mapping[str, Any], rule: str = "") -> Processor:
    """Make the processor that is registered as `name`: its factory is called with the settings as keywords.

    Raises ProcessorNotFound, and LeydenError when it cannot be made.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        near = get_close_matches(name, found) or sorted(found)
        hint = f"installed are: {', '.join(near)}" if near else "no installed package offers any"
        raise ProcessorNotFound(f"no processor {name!r} under the entry points {GROUP}; {hint}")
    try:
        made: Processor = found[name].load()(**settings)
    except Exception as error:
        raise LeydenError(f"the processor {name!r} cannot be made: {type(error).__name__}: {error}") from error
    for method in ("idle", "resource", "scope", "span", "log"):
        if not callable(getattr(made, method, None)):
            raise LeydenError(
                f"the processor {name!r} has no method {method}; derive it from processors.base.Processor"
            )
    made.rule, made.adds_text = rule or name, True
    return made

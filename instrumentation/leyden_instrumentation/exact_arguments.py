"""Tool-call arguments to the letter, beside instrumentations that keep only what they mean.

A policy is trained on what it wrote, spaces and escapes included. The reply's own text passes our hooks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from leyden_instrumentation import settings

ATTRIBUTE = "leyden.tool_call_arguments"
"""A JSON object, a call's id → the text of its arguments, of the calls whose text reading and writing would change."""


def attribute(calls: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The attribute for the calls (`id`, `arguments`) of a reply; nothing where no text is lost, or without content."""
    spelt = {call["id"]: call["arguments"] for call in calls if call["id"] and _would_change(call["arguments"])}
    if not spelt or not settings.enabled(settings.CAPTURE_CONTENT):
        return {}
    return {ATTRIBUTE: json.dumps(spelt, ensure_ascii=False)}


def _would_change(arguments: str) -> bool:
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False) != arguments
    except ValueError:
        return False  # text that is no JSON is kept as text by all

"""The token ids of a prompt, which are most of a long conversation's reply: on the way out, and off the call's time.

They are cut out of the reply before the client parses it, as text, stand so on the span, and are read and packed where
spans are exported, on another thread than the agent's. Where the exporters are not ours, nothing is cut.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from leyden_instrumentation import packing
from leyden_instrumentation.redaction import RedactedSpan

ATTRIBUTE = "leyden.prompt_token_ids"
_KEY = b'"prompt_token_ids"'

_exporters: list[PackingExporter] = []


def cut(response: Any) -> str | None:
    """The ids in a reply that was read whole, as JSON text; the reply then says null in their place.

    None, and nothing is cut, where there are none, or they are no flat list.
    """
    body = getattr(response, "_content", None)
    if not _exporters or not isinstance(body, bytes):
        return None
    key = body.find(_KEY)
    start = body.find(b"[", key)
    # Within a string its quotes would be escaped: where it stands like this, it is a key.
    if key < 0 or start < 0 or body[key + len(_KEY) : start].strip() != b":":
        return None
    end = body.find(b"]", start) + 1
    ids = body[start:end]
    if not ids.strip(b"[]") or b"[" in ids[1:] or b'"' in ids or b"{" in ids:
        return None
    response._content = body[:start] + b"null" + body[end:]
    return ids.decode("latin-1")


class PackingExporter(SpanExporter):
    """Hands spans on with the ids that wait as text read, and packed as the environment asks."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        _exporters.append(self)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._inner.export([_packed(span) for span in spans])

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._inner.force_flush(timeout_millis)


def _packed(span: ReadableSpan) -> ReadableSpan:
    have = span.attributes or {}
    waiting = have.get(ATTRIBUTE)
    if not isinstance(waiting, str):
        return span
    kept = {name: value for name, value in have.items() if name != ATTRIBUTE}
    with suppress(ValueError):  # a reply that is no JSON, which its program will have heard of
        kept |= packing.attribute(ATTRIBUTE, json.loads(waiting))
    return RedactedSpan(span, span.name, kept, list(span.events), span.status)

"""What must not leave the process: rewritten on every span before it is exported, the API keys always.

LEYDEN_REDACT names patterns, LEYDEN_REDACT_WITH a callable of the program's. Texts that change lose their token ids,
which spell the text.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

from leyden_instrumentation import settings
from leyden_instrumentation.api_keys import REDACTED, ApiKeys, keys

_log = logging.getLogger("leyden_instrumentation")

PATTERNS = {
    "email": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "phone": r"(?<![\w.])\+\d[\d ()/-]{6,}\d",
    "card": r"(?<!\d)(?:\d[ -]?){13,18}\d(?!\d)",
    "ip": r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])",
    "iban": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b",
}
"""Sets that LEYDEN_REDACT may name; anything else in it is a regular expression."""

Redact = Callable[[str, Any], Any]
"""(attribute's name, value) → the value to export, or None to leave the attribute out."""


class Redactor:
    """What is done to the name, the attributes, the events and the status of a span.

    patterns:  regular expressions whose matches become `[redacted]`, in every text
    function:  called last, with every attribute
    known:     API keys, which are hidden in any case
    """

    def __init__(self, patterns: Iterable[str] = (), function: Redact | None = None, known: ApiKeys = keys) -> None:
        self._patterns = [re.compile(pattern) for pattern in patterns]
        self._function = function
        self._keys = known

    def redacted(self, span: ReadableSpan) -> ReadableSpan:
        """The span as it may leave the process; the same one where nothing is to be hidden."""
        name, said = self.text(span.name), span.status.description or ""
        attributes = self._attributes(span.attributes or {})
        events = [self._event(event) for event in span.events]
        description = self.text(said)
        untouched = all(new is old for new, old in zip(events, span.events, strict=True))
        if attributes is None and untouched and (name, description) == (span.name, said):
            return span
        return RedactedSpan(span, name, attributes, events, Status(span.status.status_code, description or None))

    def text(self, text: str) -> str:
        """A text without keys and matches."""
        text = self._keys.hidden(text)
        for pattern in self._patterns:
            text = pattern.sub(REDACTED, text)
        return text

    def _attributes(self, attributes: Mapping[str, Any]) -> dict[str, Any] | None:
        """The attributes anew; None where they stay."""
        found = {name: self._value(name, value) for name, value in attributes.items()}
        changed = {name for name, value in found.items() if value is not attributes[name] and value != attributes[name]}
        if not changed:
            return None
        hidden = any("header" not in name for name in changed)
        return {k: v for k, v in found.items() if v is not None and not (hidden and _spells_content(k))}

    def _value(self, name: str, value: Any) -> Any:
        if not _spells_content(name):
            if isinstance(value, str):
                value = self.text(value)
            elif isinstance(value, Sequence) and value and isinstance(value[0], str):
                value = tuple(self.text(v) if isinstance(v, str) else v for v in value)
        return value if self._function is None else self._function(name, value)

    def _event(self, event: Event) -> Event:
        attributes = self._attributes(event.attributes or {})
        return event if attributes is None else Event(event.name, attributes, event.timestamp)


class RedactedSpan(ReadableSpan):
    """A span with other texts; what the SDK counted as dropped stays counted."""

    def __init__(
        self, span: ReadableSpan, name: str, attributes: dict[str, Any] | None, events: list[Event], status: Status
    ) -> None:
        super().__init__(
            name=name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=span.attributes if attributes is None else attributes,
            events=events,
            links=span.links,
            kind=span.kind,
            status=status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )
        self._counts = (span.dropped_attributes, span.dropped_events, span.dropped_links)

    @property
    def dropped_attributes(self) -> int:
        return self._counts[0]

    @property
    def dropped_events(self) -> int:
        return self._counts[1]

    @property
    def dropped_links(self) -> int:
        return self._counts[2]


class RedactingExporter(SpanExporter):
    """Hands on what the redactor leaves. A span that it fails on is not exported, and one line says so."""

    def __init__(self, inner: SpanExporter, redactor: Redactor) -> None:
        self._inner = inner
        self._redactor = redactor
        self._warned = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        kept = []
        for span in spans:
            try:
                kept.append(self._redactor.redacted(span))
            except Exception as error:
                self._complain(error)
        return self._inner.export(kept) if kept else SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._inner.force_flush(timeout_millis)

    def _complain(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            says = "leyden: %s failed (%s: %s); what it fails on is not exported"
            _log.warning(says, settings.REDACT_WITH, type(error).__name__, error)


def from_environment(env: Mapping[str, str] | None = None) -> Redactor:
    """The redactor that the environment asks for. ValueError where a pattern or the callable is none."""
    env = os.environ if env is None else env
    return Redactor(patterns(env.get(settings.REDACT, "")), _callable(env.get(settings.REDACT_WITH, "")))


def patterns(asked: str) -> list[str]:
    """Regular expressions from a list of set names and expressions, one a line or a single line with commas between."""
    lines = asked.splitlines() if "\n" in asked else asked.split(",")
    found = [PATTERNS.get(line.strip(), line.strip()) for line in lines if line.strip()]
    for pattern in found:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{settings.REDACT}: {pattern!r} is no regular expression: {error}") from None
    return found


def _callable(target: str) -> Redact | None:
    if not target:
        return None
    module, _, name = target.partition(":")

    def late(attribute: str, value: Any) -> Any:
        # Not imported until something is exported: the capture is set up before the program's own modules can be.
        return getattr(importlib.import_module(module), name)(attribute, value)

    if not module or not name:
        raise ValueError(f"{settings.REDACT_WITH}={target} names no function: write package.module:function")
    return late


def _spells_content(name: str) -> bool:
    return name.startswith("leyden.") and ("token_ids" in name or name.endswith("logprobs"))

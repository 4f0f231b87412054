"""Redaction: secrets out of every text of a request, before a byte of it is on disk."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from leyden_collector.processors._token_data import is_token_data, token_data_out, without_token_data
from leyden_collector.processors.base import Processor
from leyden_collector.processors.secrets import BUILTIN, SECRET_ATTRIBUTE, Secret
from leyden_collector.processors.texts import change_pairs, change_text, change_value

_SHORT = 64


class Redact(Processor):
    """Replaces secrets by `replacement`, `{kind}` in it being the secret's kind.

    Token ids and logprobs spell the text they stand for, so a span in which anything was replaced loses its own.
    """

    rule = "redact"

    def __init__(
        self,
        builtin: Sequence[str] = (),
        patterns: dict[str, str] | None = None,
        replacement: str = "[redacted:{kind}]",
        rule: str = "",
    ) -> None:
        """builtin: names of built-in sets; patterns: kind → regular expression, its group `secret` being what goes."""
        super().__init__(rule)
        self._replacement = replacement
        self._keys = "keys" in builtin
        own = [Secret(kind, (), re.compile(pattern)) for kind, pattern in (patterns or {}).items()]
        self._secrets = [secret for name in builtin for secret in BUILTIN[name]] + own
        self._scan = None if own else _scan(builtin)
        self._short = lru_cache(maxsize=8192)(self._found)

    def idle(self, body: bytes) -> bool:
        """A look for marks at the encoded bytes; patterns of the user's have none that are known."""
        return self._scan is not None and self._scan.search(body) is None

    def resource(self, resource: Resource) -> None:
        """Redact a resource's attributes."""
        self._pairs(resource.attributes)

    def scope(self, scope: InstrumentationScope) -> None:
        """Redact a scope's name, version and attributes."""
        scope.name, scope.version = self._change(scope.name), self._change(scope.version)
        self._pairs(scope.attributes)

    def span(self, span: Span, resource: Resource) -> bool:
        """Redact a span: name, attributes, events, links, status, trace state."""
        changed = self._pairs(span.attributes)
        changed |= self._field(span, "name") | self._field(span, "trace_state")
        if span.status.message:
            changed |= self._field(span.status, "message")
        for event in span.events:
            changed |= self._field(event, "name") | self._pairs(event.attributes)
        for link in span.links:
            changed |= self._field(link, "trace_state") | self._pairs(link.attributes)
        if changed:
            self.counts["token_data"] += without_token_data(span.attributes)
            for event in span.events:
                self.counts["token_data"] += without_token_data(event.attributes)
        return True

    def log(self, record: LogRecord, resource: Resource) -> bool:
        """Redact a log record: body, attributes, names."""
        changed = self._pairs(record.attributes) | change_value(record.body, self._change)
        changed |= self._field(record, "event_name") | self._field(record, "severity_text")
        if changed:
            self.counts["token_data"] += without_token_data(record.attributes) + token_data_out(record.body)
        return True

    def _field(self, message: object, name: str) -> bool:
        before: str = getattr(message, name)
        if not before or (after := change_text(before, self._change)) == before:
            return False
        setattr(message, name, after)
        return True

    def _pairs(self, pairs: Sequence[KeyValue]) -> bool:
        changed = False
        for pair in pairs:
            if self._keys and SECRET_ATTRIBUTE.search(pair.key) and pair.value.WhichOneof("value") is not None:
                pair.value.Clear()
                pair.value.string_value = self._said("key")
                changed = True
            elif not is_token_data(pair.key):
                changed |= change_pairs((pair,), self._change)
        return changed

    def _change(self, text: str) -> str:
        return self._short(text) if len(text) <= _SHORT else self._found(text)

    def _found(self, text: str) -> str:
        lower = text.lower()
        for secret in self._secrets:
            if secret.marks and not any(mark in lower for mark in secret.marks):
                continue
            text = self._without(secret, text)
        return text

    def _without(self, secret: Secret, text: str) -> str:
        group = "secret" if "secret" in secret.pattern.groupindex else 0
        kept, done, look = [], 0, 0
        while match := secret.pattern.search(text, look):
            if match.end(group) == match.start(group) or not secret.valid(match[group]):
                look = match.start() + 1  # what is none may overlap what is one
                continue
            kept += [text[done : match.start(group)], self._said(secret.kind)]
            done = look = match.end(group)
        return "".join([*kept, text[done:]]) if kept else text

    def _said(self, kind: str) -> str:
        self.counts[kind] += 1
        return self._replacement.replace("{kind}", kind)


_HIDDEN = rb"\\(?:u[0-9a-f]{4}|/)"
_SCANS = {
    # Attribute names of whole secrets, and the marks of all keys.
    "keys": "|".join(
        ["cookie", "authorization", "api[-_.]?key"]
        + [
            re.escape(mark)
            for secret in BUILTIN["keys"]
            for mark in secret.marks
            if mark not in ("api", "basic", "aws")
        ]
        + ["aws[a-z0-9_.-]{0,20}(?:secret|session|access)"]
    ).encode(),
    "emails": rb"@[a-z0-9-]+\.[a-z0-9]",
    # Digits as text; as a varint of seven bytes or more behind an int's tag; as a double from 10^10 to 10^19.
    "cards": rb"[2-6](?:[ -]?[0-9]){11}|\x18[\x80-\xff]{5,8}[\x00-\x7f]|\x21.{7}[\x42\x43]",
}


def _scan(builtin: Sequence[str]) -> re.Pattern[bytes]:
    return re.compile(b"|".join([_HIDDEN, *(_SCANS[name] for name in builtin)]), re.IGNORECASE | re.DOTALL)

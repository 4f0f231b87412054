"""Redaction: secrets out of every text of a request, before a byte of it is on disk."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from leyden_collector.processors._token_data import is_token_data, token_data_out, without_token_data
from leyden_collector.processors.base import Processor
from leyden_collector.processors.looks import HEADER_MARKS, HIDDEN_BYTES, LOOKS
from leyden_collector.processors.secrets import BUILTIN, SECRET_ATTRIBUTE, Secret
from leyden_collector.processors.texts import change_pairs, change_text, change_value

_SHORT, _REMEMBERED = 64, 8192


class Redact(Processor):
    """Replaces secrets by `replacement`, `{kind}` in it being the secret's kind.

    Token ids and logprobs spell the text they stand for, so a span in which anything was replaced loses its own.
    """

    rule = "redact"
    adds_text = False

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
        self._keys = self._headers = "keys" in builtin
        own = [Secret(kind, (), re.compile(pattern)) for kind, pattern in (patterns or {}).items()]
        self._looks = [look for name in builtin for look in LOOKS[name]]
        self._secrets = [secret for name in builtin for secret in BUILTIN[name]] + own
        self._all, self._own = tuple(self._secrets), tuple(own)
        self._clean: set[str] = set()

    def idle(self, body: bytes) -> bool:
        """A look at the encoded bytes for what each built-in secret must have; the request is read for those alone.

        Patterns of the user's have nothing that is known of them, and what escapes may hide is looked for in full.
        """
        if HIDDEN_BYTES.search(body) is not None:
            self._secrets = list(self._all)
            return False
        lower = body.lower()
        self._headers = self._keys and any(mark in lower for mark in HEADER_MARKS)
        self._secrets = [secret for look, secret in self._looks if look(body, lower)]
        self._secrets += self._own
        return not self._secrets and not self._headers

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
            if self._headers and SECRET_ATTRIBUTE.search(pair.key) and pair.value.WhichOneof("value") is not None:
                pair.value.Clear()
                pair.value.string_value = self._said("key")
                changed = True
            elif not is_token_data(pair.key):
                changed |= change_pairs((pair,), self._change)
        return changed

    def _change(self, text: str) -> str:
        if text in self._clean:
            return text
        changed = text
        for secret in self._secrets:
            changed = self._without(secret, changed)
        if changed == text and len(text) <= _SHORT and not self._own:
            if len(self._clean) >= _REMEMBERED:
                self._clean.clear()
            self._clean.add(text)
        return changed

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

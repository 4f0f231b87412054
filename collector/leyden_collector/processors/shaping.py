"""Truncate and hash: attributes by name, made shorter or made into pseudonyms."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from leyden_collector.processors.base import Processor
from leyden_collector.processors.texts import dump, parse


class _ByName(Processor):
    """Changes the attributes whose names match a pattern, wherever they stand: resource, span, event, link, record."""

    adds_text = False

    def __init__(self, attributes: Sequence[str], rule: str) -> None:
        super().__init__(rule)
        self._patterns = tuple(attributes)
        self._known: dict[str, bool] = {}

    def resource(self, resource: Resource) -> None:
        """Change a resource's attributes."""
        self._pairs(resource.attributes)

    def span(self, span: Span, resource: Resource) -> bool:
        """Change a span's attributes, and its events' and links'."""
        for pairs in (span.attributes, *(e.attributes for e in span.events), *(e.attributes for e in span.links)):
            self._pairs(pairs)
        return True

    def log(self, record: LogRecord, resource: Resource) -> bool:
        """Change a record's attributes; its body goes by the name `body`."""
        self._pairs(record.attributes)
        if self._named("body") and record.HasField("body"):
            self._change(record.body)
        return True

    def _pairs(self, pairs: Iterable[KeyValue]) -> None:
        for pair in pairs:
            if self._named(pair.key):
                self._change(pair.value)

    def _named(self, key: str) -> bool:
        known = self._known.get(key)
        if known is None:
            if len(self._known) > 10_000:  # names come from outside and may be endless
                self._known.clear()
            known = self._known[key] = any(fnmatchcase(key, pattern) for pattern in self._patterns)
        return known

    def _change(self, value: AnyValue) -> None:
        raise NotImplementedError


class Truncate(_ByName):
    """Cuts texts to `max_chars`; in one that is JSON the texts inside are cut, so that dialects still read it."""

    def __init__(self, attributes: Sequence[str], max_chars: int, rule: str = "") -> None:
        super().__init__(attributes, rule or "truncate")
        self._max = max_chars

    def _change(self, value: AnyValue) -> None:
        kind = value.WhichOneof("value")
        if kind == "string_value" and len(value.string_value) > self._max:
            value.string_value = self._cut(value.string_value)
        elif kind == "array_value":
            for item in value.array_value.values:
                self._change(item)
        elif kind == "kvlist_value":
            for pair in value.kvlist_value.values:
                self._change(pair.value)

    def _cut(self, text: str) -> str:
        if len(text) <= self._max:
            return text
        tree = parse(text)
        if isinstance(tree, dict | list):
            return dump(self._cut_inside(tree))
        self.counts["truncated"] += 1
        return text[: self._max] + f"… [{len(text) - self._max} more]"

    def _cut_inside(self, tree: Any) -> Any:
        if isinstance(tree, dict):
            return {key: self._cut_inside(item) for key, item in tree.items()}
        if isinstance(tree, list):
            return [self._cut_inside(item) for item in tree]
        return self._cut(tree) if isinstance(tree, str) else tree


class Hash(_ByName):
    """Replaces values by `hmac:` and the first 32 hex digits of their HMAC-SHA256: equal stays equal, nothing is read.

    A value that is no text is hashed as its OTLP encoding.
    """

    def __init__(self, attributes: Sequence[str], key: bytes, rule: str = "") -> None:
        super().__init__(attributes, rule or "hash")
        self._key = key

    def _change(self, value: AnyValue) -> None:
        text = value.WhichOneof("value") == "string_value"
        data = value.string_value.encode() if text else value.SerializeToString(deterministic=True)
        digest = hmac.new(self._key, data, hashlib.sha256).hexdigest()[:32]
        value.Clear()
        value.string_value = f"hmac:{digest}"
        self.counts["hashed"] += 1

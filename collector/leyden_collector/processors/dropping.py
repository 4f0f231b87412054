"""Drop and keep: whole spans and log records, by what they or their resource say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from leyden_collector.log_records import event_name
from leyden_collector.processors.base import Processor
from leyden_store.otlp import read_value

Item = Span | LogRecord


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of a span or log record.

    field:  `name` (a record's is its event's), `status` (ok, error, unset), `span.KEY` (an attribute, a record's too),
            or `resource.KEY`
    holds:  the test of the field's text, which is None where there is no such attribute
    """

    field: str
    holds: Callable[[str | None], bool]

    def met(self, item: Item, resource: Resource) -> bool:
        """Whether the condition holds."""
        return self.holds(_text_of(self.field, item, resource))


def equals(value: str) -> Callable[[str | None], bool]:
    """The text is this one."""
    return lambda text: text == value


def matches(pattern: str) -> Callable[[str | None], bool]:
    """The regular expression is found in the text."""
    search = re.compile(pattern).search
    return lambda text: text is not None and search(text) is not None


def exists(wanted: bool) -> Callable[[str | None], bool]:
    """The attribute is there, or is not."""
    return lambda text: (text is not None) is wanted


class Drop(Processor):
    """Drops what meets all conditions; with `keep`, what does not."""

    rule = "drop"
    adds_text = False

    def __init__(self, conditions: Sequence[Condition], *, keep: bool = False, rule: str = "") -> None:
        super().__init__(rule or ("keep" if keep else "drop"))
        self._conditions = tuple(conditions)
        self._keep = keep

    def span(self, span: Span, resource: Resource) -> bool:
        """Whether the span stays."""
        return self._stays(span, resource)

    def log(self, record: LogRecord, resource: Resource) -> bool:
        """Whether the record stays."""
        return self._stays(record, resource)

    def _stays(self, item: Item, resource: Resource) -> bool:
        return all(condition.met(item, resource) for condition in self._conditions) is self._keep


_STATUS = ("unset", "ok", "error")


def _text_of(field: str, item: Item, resource: Resource) -> str | None:
    if field == "name":
        return item.name if isinstance(item, Span) else event_name(item)
    if field == "status":
        return _STATUS[item.status.code] if isinstance(item, Span) and item.status.code < len(_STATUS) else None
    where, _, key = field.partition(".")
    return _attribute(resource.attributes if where == "resource" else item.attributes, key)


def _attribute(pairs: Iterable[KeyValue], key: str) -> str | None:
    return next((_text(pair.value) for pair in pairs if pair.key == key), None)


def _text(value: AnyValue) -> str:
    """A value as a person writes it in a file: true, 7, 0.5, text."""
    if value.WhichOneof("value") == "string_value":
        return value.string_value
    read: Any = read_value(value)
    return ("true" if read else "false") if isinstance(read, bool) else str(read)

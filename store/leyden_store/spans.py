"""Spans: what the store holds, as Python values.

A `Span` is one OpenTelemetry span with its attribute values typed as they were sent. The columns the store extracts
(project, rollout, token ids, …) stand beside the attributes, never instead of them, except for the token arrays:
those are kept out of `attributes` because a prompt's ids are heavy and have a column of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from leyden_store.records import record

AttributeValue = None | str | bool | int | float | bytes | Sequence["AttributeValue"] | Mapping[str, "AttributeValue"]
"""An OTLP AnyValue: https://github.com/open-telemetry/opentelemetry-proto, common.proto."""

Attributes = Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class Event:
    """A span event: `time_ns` in Unix nanoseconds."""

    time_ns: int
    name: str
    attributes: Attributes = field(default_factory=dict)
    dropped_attributes: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """A link to another span; ids in lower-case hex."""

    trace_id: str
    span_id: str
    trace_state: str = ""
    attributes: Attributes = field(default_factory=dict)
    dropped_attributes: int = 0
    flags: int = 0


@record(frozen=True, slots=True)
class Span:
    """One span.

    trace_id, span_id, parent_span_id: lower-case hex (32, 16, 16 digits); no parent is ""
    start_ns, end_ns:                  Unix time in nanoseconds
    kind:                              Unspecified, Internal, Server, Client, Producer or Consumer
    status:                            Unset, Ok or Error
    scope_name, scope_version:         the instrumentation that made the span: what a dialect is chosen by
    dropped_attributes:                how many attributes the SDK's limit evicted; such a span is not training data
    flags:                             W3C trace flags and OTLP's own above them, as sent
    rollout_id, group_id, session_id, user_id: "" where the span and its resource name none
    attempt, policy_version:           None where the span and its resource name none
    prompt_token_ids:                  ids of the prompt the server saw, or None
    response_token_ids:                ids the policy sampled, end-of-turn included, or None
    response_logprobs:                 natural-log probability of each response id under the sampling policy, or None
    """

    trace_id: str
    span_id: str
    name: str
    start_ns: int
    end_ns: int
    parent_span_id: str = ""
    kind: str = "Internal"
    trace_state: str = ""
    status: str = "Unset"
    status_message: str = ""
    service: str = ""
    scope_name: str = ""
    scope_version: str = ""
    resource: Attributes = field(default_factory=dict)
    attributes: Attributes = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    dropped_attributes: int = 0
    project: str = "default"
    rollout_id: str = ""
    group_id: str = ""
    attempt: int | None = None
    session_id: str = ""
    policy_version: str | None = None
    prompt_token_ids: Sequence[int] | None = None
    response_token_ids: Sequence[int] | None = None
    response_logprobs: Sequence[float] | None = None
    user_id: str = ""
    flags: int = 0
    dropped_events: int = 0
    dropped_links: int = 0
    scope_attributes: Attributes = field(default_factory=dict)
    scope_dropped_attributes: int = 0
    scope_schema_url: str = ""
    resource_dropped_attributes: int = 0
    resource_schema_url: str = ""


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One OpenTelemetry log record; some instrumentations put a call's content here instead of on the span.

    name: the event's name (`event_name`, or the older `event.name` attribute), "" on a plain log line
    body: whatever was logged, typed as sent
    """

    time_ns: int
    name: str
    trace_id: str
    span_id: str
    scope_name: str = ""
    body: AttributeValue = None
    attributes: Attributes = field(default_factory=dict)

"""Selections: which rollouts and turns a command means, by a saved query, a WHERE, or plainly everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leyden_store.guard import check


@dataclass(frozen=True, slots=True)
class Selection:
    """SQL that yields TraceId, or TraceId and SpanId.

    sql:    a SELECT; every trace it names is read whole, and where it names spans too, only their turns are kept
    query, version: the saved query it comes from, for the record
    """

    sql: str = "SELECT DISTINCT TraceId FROM traces"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    query: str = ""
    version: int = 0
    by_span: bool = False

    def __post_init__(self) -> None:
        """Raise QueryRefused when the SQL asks for more than reading."""
        check(self.sql)

    @classmethod
    def where(cls, condition: str) -> Selection:
        """The traces that have a span for which `condition`, over the columns of otel_traces, holds."""
        return cls(sql=f"SELECT DISTINCT TraceId FROM otel_traces WHERE ({condition}\n)")

    @property
    def trace_ids(self) -> str:
        """A SELECT of TraceId alone."""
        return f"SELECT DISTINCT TraceId FROM ({self.sql}\n)" if self.by_span else self.sql

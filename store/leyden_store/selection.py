"""Selections: which rollouts and turns a command means, by a saved query, a WHERE, flags, or plainly everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from leyden_store.errors import QueryRefused
from leyden_store.filters import Filters
from leyden_store.guard import quoted
from leyden_store.query_parameters import parameters_of

EVERYTHING = "SELECT DISTINCT TraceId FROM traces"


@dataclass(frozen=True, slots=True)
class Selection:
    """SQL that yields TraceId, or TraceId and SpanId.

    sql:    a SELECT; every trace it names is read whole, and where it names spans too, only their turns are kept
    query, version: the saved query it comes from, for the record
    project: when given, nothing of another project is read, whatever the SQL says
    """

    sql: str = EVERYTHING
    parameters: Mapping[str, Any] = field(default_factory=dict)
    query: str = ""
    version: int = 0
    by_span: bool = False
    project: str = ""

    def __post_init__(self) -> None:
        """Raise QueryRefused when the SQL asks for more than reading our tables."""
        if self.sql == EVERYTHING:
            return
        from leyden_store.select_check import check_select  # and with it a parser: a tenth of a second

        check_select(self.sql, project=self.project)

    @classmethod
    def where(cls, condition: str) -> Selection:
        """The traces that have a span for which `condition`, over the columns of otel_traces, holds."""
        return cls(sql=f"SELECT DISTINCT TraceId FROM otel_traces WHERE ({condition}\n)")

    def narrowed(self, filters: Filters) -> Selection:
        """This selection's traces that the filters choose too."""
        if not filters:
            return self
        if self.sql == EVERYTHING:
            return replace(self, sql=filters.sql())
        return replace(self, sql=f"SELECT * FROM ({self.sql}\n) WHERE TraceId IN ({filters.sql()})")

    def of_project(self, project: str) -> Selection:
        """This selection, kept to one project. Raises QueryRefused where it reads what names no project."""
        return replace(self, project=project) if project else self

    @property
    def trace_ids(self) -> str:
        """A SELECT of TraceId alone, ready to stand in brackets; of the project's traces only, if kept to one."""
        made = f"SELECT DISTINCT TraceId FROM ({self.sql}\n)" if self.by_span or self.project else f"{self.sql}\n"
        if self.project:
            made += f" WHERE TraceId IN (SELECT TraceId FROM traces WHERE Project = {quoted(self.project)})"
        return made

    @property
    def span_ids(self) -> str:
        """A SELECT of TraceId and SpanId, of a selection by span."""
        made = f"SELECT DISTINCT TraceId, SpanId FROM ({self.sql}\n)"
        return f"{made} WHERE TraceId IN ({self.trace_ids})" if self.project else made


def bound(sql: str, given: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a query with the values given. Raises QueryRefused for one too many or too few."""
    wanted = [parameter.name for parameter in parameters_of(sql)]
    missing = [name for name in wanted if name not in given]
    if missing:
        raise QueryRefused(f"the query needs {', '.join(missing)}: give --param {missing[0]}=VALUE")
    unknown = [name for name in given if name not in wanted]
    if unknown:
        takes = f"it takes {', '.join(wanted)}" if wanted else "it takes none"
        raise QueryRefused(f"the query has no parameter {', '.join(unknown)}; {takes}")
    return {name: given[name] for name in wanted}

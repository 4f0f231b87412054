"""Grafana's classic dashboard JSON, as far as our pages need it: dashboards, panels, variables, queries, overrides.

`to_json` of each gives the JSON of schema version 39; ids are made from names, so that they stay when panels move.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from leyden_dashboards.sql import statement

Json = dict[str, Any]

SCHEMA_VERSION = 39
PLUGIN = "grafana-clickhouse-datasource"
PLUGIN_VERSION = "4.20.0"
SOURCE: Json = {"type": PLUGIN, "uid": "${datasource}"}
WIDTH = 24
"""Columns of Grafana's grid."""


class Format(IntEnum):
    """How the data source frames a result."""

    TIME_SERIES = 0
    TABLE = 1
    TRACES = 3

    @property
    def query_type(self) -> str:
        return {Format.TIME_SERIES: "timeseries", Format.TABLE: "table", Format.TRACES: "traces"}[self]


class Kind(StrEnum):
    """Grafana's panel types that we use."""

    BAR_CHART = "barchart"
    HEATMAP = "heatmap"
    NODE_GRAPH = "nodeGraph"
    STAT = "stat"
    TABLE = "table"
    TIME_SERIES = "timeseries"
    TRACES = "traces"
    TREND = "trend"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel. sql: a file's name, as `sql.statement` takes it."""

    sql: str
    format: Format = Format.TABLE
    ref: str = "A"

    def to_json(self) -> Json:
        return {
            "refId": self.ref,
            "datasource": SOURCE,
            "pluginVersion": PLUGIN_VERSION,
            "editorType": "sql",
            "queryType": self.format.query_type,
            "format": int(self.format),
            "rawSql": statement(self.sql),
        }


@dataclass(frozen=True, slots=True)
class Override:
    """Properties of one column: by name, property id → value."""

    column: str
    properties: Mapping[str, Any]

    def to_json(self) -> Json:
        return {
            "matcher": {"id": "byName", "options": self.column},
            "properties": [{"id": name, "value": value} for name, value in self.properties.items()],
        }


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. unit: a Grafana unit id; options, defaults: the panel type's own; width, height: in grid cells."""

    title: str
    description: str
    kind: Kind
    queries: Sequence[Query]
    unit: str
    width: int
    height: int = 8
    options: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[Override] = ()

    @property
    def of_traces(self) -> bool:
        """Whether what it shows was read from traces that the page's choices narrow: then they can be listed."""
        return any("${project" in statement(query.sql) for query in self.queries)

    def to_json(self, x: int, y: int) -> Json:
        return {
            "id": _id(self.title),
            "links": [_TO_TRACES] if self.of_traces else [],
            "type": str(self.kind),
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {
                "defaults": {"unit": self.unit, **self.defaults},
                "overrides": [override.to_json() for override in self.overrides],
            },
            "options": dict(self.options),
            "targets": [query.to_json() for query in self.queries],
        }


@dataclass(frozen=True, slots=True)
class Section:
    """A titled row of the page and the panels under it, laid from left to right."""

    title: str
    panels: Sequence[Panel]

    def to_json(self, y: int) -> tuple[list[Json], int]:
        """The row and its panels, and the y below them."""
        row = {
            "id": _id(f"row {self.title}"),
            "type": "row",
            "title": self.title,
            "collapsed": False,
            "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y},
            "panels": [],
        }
        found, x, y, tallest = [row], 0, y + 1, 0
        for panel in self.panels:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            found.append(panel.to_json(x, y))
            x, tallest = x + panel.width, max(tallest, panel.height)
        return found, y + tallest


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of a page.

    sql: the file of the query behind it; without one it is a text box. many: several values, or All.
    default: of a text box; hidden: set by the address alone.
    """

    name: str
    label: str
    description: str
    sql: str = ""
    many: bool = True
    default: str = ""
    hidden: bool = False

    def to_json(self) -> Json:
        about: Json = {
            "name": self.name,
            "label": self.label,
            "description": self.description,
            "hide": 2 if self.hidden else 0,
            "skipUrlSync": False,
        }
        if not self.sql:
            given = {"selected": True, "text": self.default, "value": self.default}
            return {**about, "type": "textbox", "query": self.default, "current": given, "options": [given]}
        every = {"selected": True, "text": ["All"], "value": ["$__all"]}
        return {
            **about,
            "type": "query",
            "datasource": SOURCE,
            "query": Query(self.sql, ref=f"variable-{self.name}").to_json(),
            "current": every if self.many else {},
            "includeAll": self.many,
            "multi": self.many,
            "options": [],
            "refresh": 2,  # when the time range changes: the queries look at it
            "regex": "",
            "sort": 0,
        }


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page."""

    uid: str
    title: str
    description: str
    variables: Sequence[Variable]
    sections: Sequence[Section]
    since: str = "now-24h"

    def panels(self) -> list[Panel]:
        """Every panel, in order."""
        return [panel for section in self.sections for panel in section.panels]

    def to_json(self) -> Json:
        panels: list[Json] = []
        y = 0
        for section in self.sections:
            placed, y = section.to_json(y)
            panels += placed
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["leyden"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": True,
            "fiscalYearStartMonth": 0,
            "graphTooltip": 1,
            "timezone": "browser",
            "weekStart": "",
            "refresh": "",
            "time": {"from": self.since, "to": "now"},
            "timepicker": {},
            "annotations": {"list": []},
            "links": [_OTHER_PAGES],
            "templating": {"list": [_DATA_SOURCE, *(variable.to_json() for variable in self.variables)]},
            "panels": panels,
        }


_TO_TRACES: Json = {
    "type": "link",
    "title": "The traces behind this",
    "url": "/d/leyden-traces?${__url_time_range}&${__all_variables}",
    "icon": "",
    "tags": [],
    "asDropdown": False,
    "includeVars": False,  # the address has them
    "keepTime": False,
    "targetBlank": False,
    "tooltip": "",
}

_OTHER_PAGES: Json = {
    "type": "dashboards",
    "title": "Leyden",
    "icon": "external link",
    "tags": ["leyden"],
    "asDropdown": True,
    "includeVars": True,
    "keepTime": True,
    "targetBlank": False,
    "tooltip": "",
    "url": "",
}

_DATA_SOURCE: Json = {
    "name": "datasource",
    "label": "Store",
    "description": "The ClickHouse data source that reads the LightningStore.",
    "type": "datasource",
    "query": PLUGIN,
    "current": {"selected": True, "text": "Leyden", "value": "leyden"},
    "hide": 0,
    "includeAll": False,
    "multi": False,
    "options": [],
    "refresh": 1,
    "regex": "",
    "skipUrlSync": False,
}


def _id(name: str) -> int:
    """A panel's id, from its title: a positive 31-bit number."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF

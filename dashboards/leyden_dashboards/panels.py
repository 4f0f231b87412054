"""Panels of each kind, with the looks all pages share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leyden_dashboards.model import Format, Kind, Override, Panel, Query

_TRACES = "/d/leyden-traces?${datasource:queryparam}&${__url_time_range}"
_VALUE = "${__value.raw:percentencode}"


def link(title: str, url: str) -> dict[str, Any]:
    """A link of a cell, whose value is `${__value.raw}` in the address."""
    return {"title": title, "url": url, "targetBlank": False}


def page_link(title: str, path: str) -> dict[str, Any]:
    """A link of a cell to the collector's own page. path: from `/` to where the value stands."""
    return link(title, f"${{page}}{path.replace('VALUE', _VALUE)}")


def stat(title: str, sql: str, *, unit: str, description: str, width: int = 4, **defaults: Any) -> Panel:
    """One number, or a few; the newest row's."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value", "graphMode": "none", "textMode": "auto", "orientation": "auto", "justifyMode": "auto",
    }  # fmt: skip
    return Panel(title, description, Kind.STAT, [Query(sql)], unit, width, 4, options, {"noValue": "–", **defaults})


def lines(title: str, sql: str, *, unit: str, description: str, name: str, width: int = 12, **defaults: Any) -> Panel:
    """Series over time. name: how a series is called, in Grafana's template of labels."""
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "auto", "spanNulls": True}
    looks = {"displayName": name, "custom": custom, "color": {"mode": "palette-classic"}, **defaults}
    return Panel(title, description, Kind.TIME_SERIES, [Query(sql, Format.TIME_SERIES)], unit, width, 8, options, looks)


def table(
    title: str, sql: str, *, description: str, unit: str = "short", width: int = 24, height: int = 8,
    units: dict[str, str] | None = None, trace: str = "", opens: str = "", overrides: Sequence[Override] = (),
) -> Panel:  # fmt: skip
    """Rows. units: of columns that differ from `unit`.

    trace: the column of trace ids, which link to the trace; opens: a column whose values are those of the variable that
    is called as it is in lower case, and link to their traces
    """
    found = [Override(column, {"unit": unit_of}) for column, unit_of in (units or {}).items()]
    if trace:
        shown = link("Show this trace", f"{_TRACES}&var-trace=${{__value.raw}}")
        links = [shown, page_link("Show it on the trace page", "/traces/VALUE")]
        found.append(Override(trace, {"links": links, "custom.width": 290}))
    if opens:
        found.append(Override(opens, {"links": [link("Its traces", f"{_TRACES}&var-{opens.lower()}={_VALUE}")]}))
    options = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False, "reducer": ["sum"], "fields": ""}}
    custom = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "filterable": True}
    looks = {"custom": custom, "noValue": "–"}
    return Panel(
        title, description, Kind.TABLE, [Query(sql)], unit, width, height, options, looks, [*found, *overrides]
    )


def curve(title: str, sql: str, *, unit: str, description: str, x: str, width: int = 8) -> Panel:
    """Columns over a number that rises, such as a training step. x: its column."""
    options = {
        "xField": x,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "none"},
    }
    custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 0, "showPoints": "auto", "spanNulls": True}
    looks = {"custom": custom, "color": {"mode": "palette-classic"}}
    return Panel(
        title, description, Kind.TREND, [Query(sql)], unit, width, 8, options, looks, [Override(x, {"unit": "none"})]
    )


def bars(title: str, sql: str, *, unit: str, description: str, x: str, width: int = 12) -> Panel:
    """A bar a row. x: the column that names it."""
    options = {
        "orientation": "horizontal", "xField": x, "showValue": "always", "stacking": "none",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }  # fmt: skip
    looks = {"custom": {"fillOpacity": 80, "lineWidth": 1}, "color": {"mode": "palette-classic"}}
    return Panel(title, description, Kind.BAR_CHART, [Query(sql)], unit, width, 8, options, looks)


def heat(title: str, sql: str, *, unit: str, description: str, width: int = 24) -> Panel:
    """A histogram over time, counted by Grafana from the values."""
    options = {
        "calculate": True,
        "calculation": {"xBuckets": {"mode": "size"}, "yBuckets": {"mode": "size", "scale": {"type": "log", "log": 2}}},
        "color": {"mode": "scheme", "scheme": "Oranges", "exponent": 0.5, "steps": 64, "reverse": False},
        "yAxis": {"axisPlacement": "left", "unit": unit},
        "cellGap": 1,
        "legend": {"show": False},
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "filterValues": {"le": 1e-9},
    }  # fmt: skip
    return Panel(title, description, Kind.HEATMAP, [Query(sql, Format.TIME_SERIES)], unit, width, 8, options)


def graph(title: str, nodes: str, edges: str, *, unit: str, description: str) -> Panel:
    """Nodes and edges: who calls what."""
    colours = [
        Override("arc__success", {"color": {"mode": "fixed", "fixedColor": "green"}}),
        Override("arc__errors", {"color": {"mode": "fixed", "fixedColor": "red"}}),
    ]
    queries = [Query(nodes, ref="nodes"), Query(edges, ref="edges")]
    return Panel(title, description, Kind.NODE_GRAPH, queries, unit, 24, 14, overrides=colours)


def waterfall(title: str, sql: str, *, description: str) -> Panel:
    """One trace as a tree of spans over time."""
    return Panel(title, description, Kind.TRACES, [Query(sql, Format.TRACES)], "ms", 24, 20)

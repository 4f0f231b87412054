"""Every query of every page, asked of a running collector's gateway: it answers, in the shape its panel reads."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from leyden_dashboards.model import Kind, Panel, Variable
from leyden_dashboards.sql import statement
from leyden_store.lightning import LightningStore
from tests.dashboards.asking import NUMBER, TEXT, TIME, Answer, Seeded, ask, ask_panel, panels, statements, variables
from tests.support.grafana_queries import expand

NARROW = {
    "project": ["maths", "it's"],
    "service": ["solver-app"],
    "agent": ["planner", "solver"],
    "model": ["tiny-1", "tiny-2"],
    "group": ["task-1", "task-2", "task-5"],
    "search": "AGENT",
    "min_duration": "0.1",
}
"""A choice of every variable that leaves something; one value needs escaping."""


@pytest.mark.parametrize("variable", variables())
def test_a_variable_offers_its_values_once(seeded: Seeded, variable: Variable) -> None:
    answer = ask_panel(seeded.url, variable.sql, seeded.asked())
    (column,) = answer.types
    assert answer.types[column] == TEXT
    values = [row[column] for row in answer.rows]
    assert values
    assert len(values) == len(set(values))
    assert "" not in values


@pytest.mark.parametrize("panel", panels())
def test_a_panel_is_answered_in_the_shape_it_reads(seeded: Seeded, panel: Panel) -> None:
    answers = [ask_panel(seeded.url, query.sql, seeded.asked()) for query in panel.queries]
    assert all(answer.rows for answer in answers)
    SHAPES[panel.kind](panel, *answers)


@pytest.mark.parametrize("panel", panels())
def test_a_panel_obeys_every_variable(seeded: Seeded, panel: Panel) -> None:
    everything = [ask_panel(seeded.url, query.sql, seeded.asked()) for query in panel.queries]
    narrowed = [ask_panel(seeded.url, query.sql, seeded.asked(**NARROW)) for query in panel.queries]
    nothing = [ask_panel(seeded.url, query.sql, seeded.asked(project=["none of that name"])) for query in panel.queries]
    for query, of_all, of_some, of_none in zip(panel.queries, everything, narrowed, nothing, strict=True):
        assert of_some.rows
        assert of_some.types == of_all.types == of_none.types
        if "${project" in statement(query.sql):
            assert of_some.rows != of_all.rows
            assert of_none.rows == [] or panel.kind is Kind.STAT


@pytest.mark.parametrize("sql", statements())
def test_a_query_finds_spans_and_traces_by_the_time_in_their_key(seeded: Seeded, sql: str) -> None:
    plan = ask(seeded.url, "EXPLAIN indexes = 1 " + expand(statement(sql), seeded.asked()))
    text = "\n".join(row["explain"] for row in plan.rows)
    for read in re.split(r"(?=ReadFromMergeTree)", text)[1:]:
        keyed = read.partition("PrimaryKey")[2].partition("Ranges")[0]
        if read.startswith("ReadFromMergeTree (default.otel_traces)"):
            assert "toStartOfHour(Timestamp)" in keyed
        if read.startswith("ReadFromMergeTree (default.traces)"):
            assert "Hour" in keyed


def test_a_panel_of_many_spans_reads_columns_and_no_map_of_attributes() -> None:
    """Every row of a map is searched: a panel takes twice as long, as long again for a map that also holds messages."""
    searching = [sql for sql in statements() if re.search(r"(Attributes|Content)\[", statement(sql))]
    assert all("FROM otel_traces_trace_id_ts" in statement(sql) for sql in searching)  # they read one trace


@pytest.mark.server
def test_a_server_answers_every_query_too(server_dsn: str) -> None:
    from tests.dashboards import seeding
    from tests.support.otlp_making import put

    with LightningStore.open(server_dsn) as store:
        put(store, *seeding.captures(), [span for trace in seeding.rollouts() for span in trace])
        store.add_rewards([seeding.posted(reward) for reward in seeding.posted_rewards()])
        store.connection.insert("collector_metrics", seeding.collector_samples())
        seeded = Seeded("", seeding.record_runs(store)[0].run_id)
        empty = [sql for sql in statements() if not store.sql(expand(statement(sql), seeded.asked())).num_rows]
    assert empty == []


def _stat(panel: Panel, answer: Answer) -> None:
    assert len(answer.rows) == 1
    assert answer.numbers() == list(answer.types)


def _over_time(panel: Panel, answer: Answer) -> None:
    (time, kind), *others = answer.types.items()
    assert time == "time"
    assert TIME.fullmatch(kind)
    assert answer.numbers()
    labels = [name for name, kind in others if not NUMBER.fullmatch(kind)]
    assert all(answer.types[name] == TEXT for name in labels)
    named = re.findall(r"labels\.(\w+)", panel.defaults.get("displayName", ""))
    assert named == labels
    assert all(a["time"] <= b["time"] for a, b in pairwise(answer.rows))


def _table(panel: Panel, answer: Answer) -> None:
    for name, kind in answer.types.items():
        assert kind == TEXT or NUMBER.fullmatch(kind) or TIME.fullmatch(kind), f"{name} is {kind}"
    for override in panel.overrides:
        assert override.column in answer.types
        assert "unit" not in override.properties or override.column in answer.numbers()


def _node_graph(panel: Panel, nodes: Answer, edges: Answer) -> None:
    ids = [node["id"] for node in nodes.rows]
    assert len(ids) == len(set(ids))
    assert {edge[end] for edge in edges.rows for end in ("source", "target")} <= set(ids)
    assert all(abs(node["arc__success"] + node["arc__errors"] - 1) < 1e-9 for node in nodes.rows)
    assert set(edges.types) == {"id", "source", "target", "mainstat"}


def _traces(panel: Panel, answer: Answer) -> None:
    pairs = "Array(Map(String, String))"
    assert answer.types == {
        "traceID": TEXT, "spanID": TEXT, "parentSpanID": TEXT, "serviceName": TEXT, "operationName": TEXT,
        "startTime": "Float64", "duration": "Float64", "tags": pairs, "serviceTags": pairs, "statusCode": "UInt8",
        "statusMessage": TEXT, "kind": TEXT, "traceState": TEXT,
        "logs": f"Array(Tuple(name String, timestamp String, fields {pairs}))",
        "references": f"Array(Tuple(traceID String, spanID String, tags {pairs}))",
    }  # fmt: skip
    assert len({span["spanID"] for span in answer.rows}) == len(answer.rows)


def _curve(panel: Panel, answer: Answer) -> None:
    assert answer.numbers() == list(answer.types)
    steps = [row[panel.options["xField"]] for row in answer.rows]
    assert all(a < b for a, b in pairwise(steps))


def _bars(panel: Panel, answer: Answer) -> None:
    assert answer.types[panel.options["xField"]] == TEXT
    assert answer.numbers()


SHAPES = {
    Kind.BAR_CHART: _bars,
    Kind.HEATMAP: _over_time,
    Kind.NODE_GRAPH: _node_graph,
    Kind.STAT: _stat,
    Kind.TABLE: _table,
    Kind.TIME_SERIES: _over_time,
    Kind.TRACES: _traces,
    Kind.TREND: _curve,
}

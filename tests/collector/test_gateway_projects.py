"""A key for one project reads that project alone through the gateway, and no reader sees keys or the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from leyden_store.keys import Scope
from leyden_store.lightning import LightningStore
from leyden_store.otlp import encode_traces
from tests.support.collector import Answer, Collector, ask
from tests.support.keys import make_key
from tests.support.otlp_making import chat, make

COUNTED = [
    "SELECT count() FROM otel_traces",
    "SELECT count() FROM otel_traces FINAL",
    "SELECT count() FROM default.otel_traces AS t",
    "SELECT count() FROM (SELECT * FROM otel_traces WHERE 1)",
    "WITH t AS (SELECT * FROM otel_traces) SELECT count() FROM t",
    "SELECT count() FROM otel_traces PREWHERE Duration >= 0",
    "SELECT count() FROM view(SELECT * FROM otel_traces)",
    "SELECT (SELECT count() FROM otel_traces)",
    "SELECT count() FROM numbers(1) AS n, `default`.`otel_traces`",
    "SELECT uniq(a.SpanId) FROM otel_traces AS a JOIN otel_traces AS b ON a.SpanId = b.SpanId",
    "SELECT uniqMerge(Spans) FROM traces",
    "SELECT count() * 2 FROM otel_traces_trace_id_ts",
    "SELECT count() FROM otel_traces WHERE TraceId IN (SELECT TraceId FROM traces)",
]
"""Each is 2 to a key of the project that has two spans in one trace."""


@pytest.fixture(scope="module")
def keys(collector: Collector) -> Iterator[dict[str, str]]:
    spans = [make(1), chat(2, parent=1), make(3, trace=2), make(4, trace=3)]
    for span, project in zip(spans, ("ours", "ours", "theirs", "theirs"), strict=True):
        collector.send(encode_traces([replace(span, project=project)]))
    collector.flush()
    with LightningStore.open(collector.dsn) as store:
        yield {name: make_key(store, name, Scope.READ, project=name) for name in ("ours", "theirs", "")}


def asking(collector: Collector, key: str, sql: str, **parameters: str) -> Answer:
    return ask(f"{collector.url}/clickhouse", sql.encode(), X_API_Key=key, content_type="text/plain")


@pytest.mark.parametrize("sql", COUNTED)
def test_a_project_is_all_its_key_sees(collector: Collector, keys: dict[str, str], sql: str) -> None:
    assert asking(collector, keys["ours"], sql).body == b"2\n"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count() FROM merge('default', '^otel_traces$')",
        "SELECT count() FROM merge('^otel_traces$')",
        "SELECT count() FROM numbers(1), merge('default', 'traces')",
        "SELECT count() FROM mergeTreeIndex('default', 'otel_traces')",
        "SELECT count() FROM loop(otel_traces)",
        "SELECT count() FROM cluster('default', 'default', 'otel_traces')",
        "SELECT query FROM system.processes",
        "SELECT * FROM system.query_log",
        "SELECT * FROM `system`.`parts`",
        "SELECT * FROM information_schema.tables",
        "SELECT count() FROM otel_traces SETTINGS additional_table_filters = {}",
        "SET additional_table_filters = {}",
    ],
)
def test_there_is_no_way_past_the_project(collector: Collector, keys: dict[str, str], sql: str) -> None:
    answer = asking(collector, keys["ours"], sql)
    assert (answer.status, answer.body[:6]) == (500, b"Code: ")


def test_every_table_there_is_has_its_filter(collector: Collector, keys: dict[str, str]) -> None:
    """A table that is added without a project stays closed to keys of one."""
    names = "SELECT name FROM system.tables WHERE database = 'default'"
    without = set()
    for name in map(bytes.decode, asking(collector, keys["ours"], names).body.split()):
        if asking(collector, keys["ours"], f"SELECT count() FROM `{name}`").body in (b"0\n", b""):
            continue
        others = asking(collector, keys["ours"], f"SELECT countIf(Project != 'ours') FROM `{name}`")
        if others.status != 200:
            without.add(name)
        else:
            assert others.body == b"0\n", name
    assert without <= {"otel_traces_trace_id_ts", "schema_migrations"}


@pytest.mark.parametrize("table", ["api_keys", "audit_log"])
def test_no_reader_sees_keys_and_the_log(collector: Collector, keys: dict[str, str], table: str) -> None:
    for key in ("", keys[""], keys["ours"]):
        assert asking(collector, key, f"SELECT count() FROM {table}").body == b"0\n"
        assert b"READONLY" in asking(collector, key, f"SELECT * FROM merge('default', '^{table}$')").body


def test_grafanas_questions_about_tables_are_answered(collector: Collector, keys: dict[str, str]) -> None:
    for sql in (
        "SELECT displayName(), version(), revision(), timezone()",
        "SELECT name FROM system.databases",
        "SELECT name FROM system.tables WHERE database = 'default'",
        "SELECT name, type FROM system.columns WHERE database = 'default' AND table = 'otel_traces'",
        "DESC TABLE default.otel_traces",
    ):
        assert asking(collector, keys["ours"], sql).status == 200

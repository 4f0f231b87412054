"""The schema for a cluster: made from the same files, and taken by ClickHouse's own parser.

What is specified here is the text; test_cluster_live.py runs it on two servers.
"""

from __future__ import annotations

import re

import pytest

from leyden_store import definitions, migrate, sql
from leyden_store.cluster import clustered, sharded_tables
from leyden_store.dsn import Server, parse
from leyden_store.errors import DsnInvalid
from leyden_store.lightning import LightningStore

EVERY = (
    [migrate._CREATE, definitions._CREATE]
    + [s for _, _, made in sql.migrations() for s in made]
    + sql.view_functions()
    + sql.views()
)


def made(statement: str) -> list[str]:
    return clustered(statement, "main", sharded_tables())


def test_every_statement_is_one_that_clickhouse_parses(store: LightningStore) -> None:
    for statement in EVERY:
        for text in made(statement):
            assert ("ON CLUSTER `main`" in text) == (not text.startswith("INSERT")), text[:200]
            store.connection.rows("SELECT formatQuery({text:String}) AS formatted", {"text": text})


def test_what_has_a_trace_id_is_sharded_by_it() -> None:
    assert {"otel_traces", "traces", "otel_traces_trace_id_ts", "rewards", "otel_logs", "lineage"} <= sharded_tables()
    assert not {"runs", "tombstones", "saved_queries", "retention"} & sharded_tables()
    (spans,) = [s for s in EVERY if s.startswith("CREATE TABLE IF NOT EXISTS otel_traces\n")]
    local, distributed = made(spans)
    assert "ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{shard}/otel_traces', '{replica}')" in local
    assert "replicated_deduplication_window = 1000" in local
    assert "non_replicated" not in local
    assert distributed.endswith("Distributed(`main`, currentDatabase(), otel_traces_local, cityHash64(TraceId))")


def test_small_tables_are_whole_on_every_node() -> None:
    (runs,) = [s for s in EVERY if s.startswith("CREATE TABLE IF NOT EXISTS runs\n")]
    (text,) = made(runs)
    assert "('/clickhouse/tables/{database}/runs', '{shard}-{replica}', UpdatedAt)" in text


def test_spans_go_to_their_shard_and_are_summed_up_there() -> None:
    views = {s.split()[6]: made(s)[0] for s in sql.views() if s.startswith("CREATE MATERIALIZED")}
    assert " TO otel_traces AS" in views["otlp_spans_mv"]
    assert " TO otlp_spans AS" in views["otlp_trace_requests_mv"]
    assert " TO traces_local AS" in views["traces_mv"]
    assert "FROM otel_traces_local" in views["traces_mv"]
    assert not re.search(r"\botel_traces\.", views["traces_mv"])  # no column is of the table that is not read


def test_columns_are_added_to_both_tables_of_a_pair() -> None:
    added = "ADD COLUMN IF NOT EXISTS A String CODEC(ZSTD(1)),\n    ADD INDEX i A TYPE minmax"
    local, distributed = made(f"ALTER TABLE traces\n    {added}")
    assert local.startswith("ALTER TABLE traces_local ON CLUSTER `main` ")
    assert distributed == "ALTER TABLE traces ON CLUSTER `main` ADD COLUMN IF NOT EXISTS A String"
    assert made("ALTER TABLE traces DELETE WHERE 1") == ["ALTER TABLE traces_local ON CLUSTER `main` DELETE WHERE 1"]


def test_the_dsn_or_the_environment_names_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    found = parse("clickhouse://h/db?cluster=main")
    assert isinstance(found, Server)
    assert (found.cluster, found.database) == ("main", "db")
    for wrong in ("clickhouse://h/db?cluster=", "clickhouse://h/db?x=1", "chdb:///x?cluster=main"):
        with pytest.raises(DsnInvalid):
            parse(wrong)
    monkeypatch.setenv("LEYDEN_CLUSTER", "other")
    found = parse("clickhouse://h/db")
    assert isinstance(found, Server)
    assert found.cluster == "other"

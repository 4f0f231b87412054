"""rotel, a collector in Rust (`pip install rotel`), writing into ClickHouse in the OpenTelemetry exporter's schema."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import clickhouse_connect

from ingest.ports import free_port, wait_for

TABLE = """
CREATE TABLE otel_traces
(
    Timestamp          DateTime64(9) CODEC(Delta, ZSTD(1)),
    TraceId            String CODEC(ZSTD(1)),
    SpanId             String CODEC(ZSTD(1)),
    ParentSpanId       String CODEC(ZSTD(1)),
    TraceState         String CODEC(ZSTD(1)),
    SpanName           LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind           LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName        LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName          String CODEC(ZSTD(1)),
    ScopeVersion       String CODEC(ZSTD(1)),
    SpanAttributes     Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration           UInt64 CODEC(ZSTD(1)),
    StatusCode         LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage      String CODEC(ZSTD(1)),
    Events Nested
    (
        Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested
    (
        TraceId String, SpanId String, TraceState String, Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
SETTINGS ttl_only_drop_parts = 1
"""
COMPANION = """
CREATE TABLE otel_traces_trace_id_ts
(
    TraceId String CODEC(ZSTD(1)),
    Start   DateTime CODEC(Delta, ZSTD(1)),
    End     DateTime CODEC(Delta, ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree PARTITION BY toDate(Start) ORDER BY (TraceId, Start) SETTINGS ttl_only_drop_parts = 1
"""
VIEW = """
CREATE MATERIALIZED VIEW otel_traces_trace_id_ts_mv TO otel_traces_trace_id_ts AS
SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End FROM otel_traces WHERE TraceId != '' GROUP BY TraceId
"""


def program(python: Path) -> Path | None:
    """The agent that the package `rotel` of an interpreter brings."""
    code = "import importlib.util as u; print(u.find_spec('rotel').submodule_search_locations[0])"
    found = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
    agent = Path(found.stdout.strip()) / "rotel-agent"
    return agent if found.returncode == 0 and agent.exists() else None


@contextmanager
def running(agent: Path, folder: Path, server: str, database: str, *, asynchronous: bool) -> Iterator[tuple[str, int]]:
    """Start it over tables of its own; its OTLP/HTTP URL and its process. server: the ClickHouse's HTTP URL."""
    with clickhouse_connect.get_client(dsn=f"{server.replace('http', 'clickhouse')}/{database}") as client:
        for statement in (TABLE, COMPANION, VIEW):
            client.command(statement)
    http_port, grpc_port = free_port(), free_port()
    with (folder / "rotel.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(agent), "start", "--exporter", "clickhouse", "--clickhouse-exporter-endpoint", server,
                "--clickhouse-exporter-database", database,
                "--clickhouse-exporter-async-insert", "true" if asynchronous else "false",
                "--otlp-http-endpoint", f"127.0.0.1:{http_port}", "--otlp-grpc-endpoint", f"127.0.0.1:{grpc_port}",
            ],
            stdout=log, stderr=log, env={"PATH": os.environ["PATH"]}, cwd=folder,
        )  # fmt: skip
    try:
        wait_for(http_port)
        time.sleep(0.5)  # its exporter starts after its listener
        yield f"http://127.0.0.1:{http_port}", process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

"""What was redacted is nowhere in the collector's folder: not in the spool, not in the store, after merges too."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from prometheus_client.parser import text_string_to_metric_families

from leyden_store.otlp import encode_traces
from tests.collector.test_logs import asked, event
from tests.collector.test_processors import SECRETS, everywhere
from tests.support.cli import Cli
from tests.support.collector import Collector, ask
from tests.support.otlp_making import chat, make, request_of

CONFIG = """
[[processors]]
type = "redact"
builtin = ["keys", "emails", "cards"]

[[processors]]
type = "drop"
rule = "health checks"
when = [{ field = "name", equals = "GET /health" }]

[logging]
format = "json"
"""


@pytest.fixture(scope="module")
def redacting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    folder = tmp_path_factory.mktemp("redacting")
    (folder / "leyden.toml").write_text(CONFIG)
    with Collector(f"chdb://{folder}/store", folder, "--config", str(folder / "leyden.toml")) as running:
        yield running


def where_found(folder: Path, text: str) -> str:
    """Files under a folder that hold the text as it is."""
    return subprocess.run(["grep", "-rlaF", text, folder], capture_output=True, text=True, check=False).stdout


def test_a_redacted_secret_is_nowhere_on_disk(redacting: Collector) -> None:
    secrets = [SECRETS[kind] for kind in ("openai", "email", "card")]
    with grpc.insecure_channel(redacting.grpc.removeprefix("http://")) as channel:
        for number, secret in enumerate(secrets, start=1):
            spans = [*everywhere(secret), chat(100 + number, trace=number, said=f"write to {secret}")]
            assert redacting.send(encode_traces(spans)).status == 200
            TraceServiceStub(channel).Export(request_of(spans), timeout=10)
            for log in (asked(number, 100 + number, secret), event(number, 100 + number, "gen_ai.x", secret)):
                assert ask(f"{redacting.url}/v1/logs", log.SerializeToString()).status == 200
            assert where_found(redacting.folder, secret) == ""  # what is spooled is not compressed
    assert redacting.flush().status == 200
    for table in ("otel_traces", "otel_logs"):
        told = redacting.query(f"SELECT * FROM {table} FORMAT JSONEachRow").body.decode()
        assert "redacted" in told
        for secret in secrets:
            assert secret not in told
    leyden = Cli(redacting.folder, redacting.dsn)
    turns = leyden.lines("turns", "--json")
    assert any("[redacted:email]" in json.dumps(turn["response"]) for turn in turns)
    redacting.stop()
    leyden("store", "compact")
    for secret in secrets:
        assert where_found(redacting.folder, secret) == ""
    redacting.start()
    for line in redacting.log.splitlines():
        if line.startswith("{"):
            assert {"time", "level", "logger", "message"} <= json.loads(line).keys()


def test_metrics_parse_and_count_what_processors_did(redacting: Collector) -> None:
    redacting.send(encode_traces([make(1, trace=9, name="GET /health"), make(2, trace=9, attributes={"a": "b@c.de"})]))
    redacting.send(encode_traces([make(3, trace=9, name="GET /health")]))
    assert redacting.flush().status == 200
    families = {f.name: f for f in text_string_to_metric_families(ask(f"{redacting.url}/metrics").body.decode())}
    assert all(family.documentation and family.type != "unknown" for family in families.values())

    def value(family: str, name: str, **labels: str) -> float:
        return next(s.value for s in families[family].samples if s.name == name and labels.items() <= s.labels.items())

    p = "leyden_collector_"
    assert value(f"{p}processor_dropped", f"{p}processor_dropped_total", rule="health checks", signal="traces") == 2
    assert value(f"{p}processor_changes", f"{p}processor_changes_total", rule="redact", kind="email") >= 1
    assert value(f"{p}insert_lag_seconds", f"{p}insert_lag_seconds_count", signal="traces") >= 1
    assert value(f"{p}insert_lag_seconds", f"{p}insert_lag_seconds_bucket", signal="traces", le="+Inf") >= 1
    for name in ("spool_bytes", "oldest_unsent_seconds", "quarantine_requests", "quarantine_bytes"):
        assert value(f"{p}{name}", f"{p}{name}") == 0
    assert value(f"{p}spans_accepted", f"{p}spans_accepted_total") >= 3
    names = [row["name"] for row in redacting.query("SELECT SpanName AS name FROM otel_traces WHERE TraceId = "
             f"'{9:032x}' FORMAT JSON").json()["data"]]  # fmt: skip
    assert names == ["span 2"]


def test_ingesting_without_a_collector_runs_the_processors_too(tmp_path: Path) -> None:
    (tmp_path / "leyden.toml").write_text(CONFIG)
    (tmp_path / "in.pb").write_bytes(encode_traces(everywhere(SECRETS["openai"])))
    leyden = Cli(tmp_path, f"chdb://{tmp_path}/store")
    leyden("ingest", "in.pb", "--config", "leyden.toml")
    (tmp_path / "in.pb").unlink()
    assert where_found(tmp_path, SECRETS["openai"]) == ""

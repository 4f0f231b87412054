"""The gateway speaks ClickHouse's HTTP interface: clients of ClickHouse read the store, and only its owner writes."""

from __future__ import annotations

import gzip
import io
import json
import urllib.parse
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect
import polars as pl
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from leyden_store.holder import read_holder
from leyden_store.lightning import LightningStore
from leyden_store.otlp import encode_traces
from leyden_store.turns import PostedReward
from tests.support.collector import Collector, ask
from tests.support.escapes import ESCAPES
from tests.support.otlp_making import chat, make, put


@pytest.fixture(scope="module", autouse=True)
def spans(collector: Collector) -> None:
    spans = [make(1), chat(2, parent=1), make(3, trace=2, service="it's")]
    assert collector.send(encode_traces(spans)).status == 200
    assert collector.flush().json() == {"stored": True, "spool_bytes": 0}


def token_of(collector: Collector) -> str:
    info = read_holder(collector.folder / "store")
    assert info is not None
    return info.token


def connect(collector: Collector, password: str = "") -> Client:
    parts = urlsplit(collector.url)
    return clickhouse_connect.get_client(
        host=parts.hostname, port=parts.port, username="x", password=password, proxy_path="clickhouse"
    )


@pytest.fixture
def reader(collector: Collector) -> Iterator[Client]:
    with connect(collector) as client:
        yield client


@pytest.fixture
def owner(collector: Collector) -> Iterator[Client]:
    with connect(collector, token_of(collector)) as client:
        yield client


def test_clickhouse_connect_reads_rows_with_parameters(reader: Client) -> None:
    sql = "SELECT SpanName, Duration FROM otel_traces WHERE ServiceName = {s:String} AND SpanName IN {n:Array(String)}"
    assert reader.query(sql, parameters={"s": "it's", "n": ["span 3", "\t"]}).result_rows == [("span 3", 500)]


def test_clickhouse_connect_reads_arrow(reader: Client) -> None:
    table = reader.query_arrow("SELECT TraceId, SpanName FROM otel_traces ORDER BY SpanName")
    assert isinstance(table, pa.Table)
    assert table["SpanName"].to_pylist() == ["span 1", "span 2", "span 3"]


def test_polars_reads_arrow(collector: Collector) -> None:
    answer = collector.query("SELECT SpanName, Duration FROM otel_traces ORDER BY 1 FORMAT ArrowStream")
    frame = pl.read_ipc_stream(io.BytesIO(answer.body))
    assert frame["Duration"].sum() == 1500


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_query_may_stand_in_the_url(collector: Collector, method: str) -> None:
    where = urllib.parse.urlencode(
        {"query": "SELECT {x:UInt8} + 1 AS n", "param_x": "41", "default_format": "JSONEachRow"}
    )
    body = b"" if method == "POST" else None
    assert ask(f"{collector.url}/clickhouse/?{where}", body, method=method).json() == {"n": 42}


def test_a_query_may_stand_in_the_body_in_any_encoding(collector: Collector) -> None:
    assert collector.query("SELECT 1").body == b"1\n"
    packed = gzip.compress(b"SELECT 2 AS n FORMAT JSONEachRow")
    assert ask(f"{collector.url}/clickhouse", packed, content_encoding="gzip").json() == {"n": 2}


def test_a_format_may_stand_in_a_header(collector: Collector) -> None:
    answer = collector.query("SELECT 1 AS n", x_clickhouse_format="JSONEachRow")
    assert (answer.json(), answer.headers["x-clickhouse-format"]) == ({"n": 1}, "JSONEachRow")


def test_it_answers_pings(collector: Collector) -> None:
    assert ask(f"{collector.url}/clickhouse/ping").body == b"Ok.\n"


def test_an_error_is_worded_as_a_servers(collector: Collector) -> None:
    answer = collector.query("SELECT nope")
    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (500, "47")
    assert answer.body.startswith(b"Code: 47. DB::Exception:")


def test_a_reader_s_final_compares_rows_of_one_day_alone(collector: Collector) -> None:
    """A span's day is in its key. Without the setting a page over thirty days takes seconds."""
    asked = "SELECT getSetting('do_not_merge_across_partitions_select_final') AS on FORMAT TSV"
    assert collector.query(asked).body == b"true\n"


def test_a_stranger_can_only_read(collector: Collector, reader: Client) -> None:
    for sql in (*ESCAPES, "USE system", "SELECT 1 SETTINGS max_execution_time = 0, max_memory_usage = 0"):
        answer = collector.query(sql)
        assert answer.status == 500, sql
        assert answer.body.startswith(b"Code: "), sql
        assert b"hostname\n" not in answer.body
    with pytest.raises(ClickHouseError):
        reader.insert("rewards", [["r"]], column_names=["RolloutId"])
    assert collector.query("SELECT count() FROM otel_traces").body == b"3\n"


@pytest.mark.parametrize("way", ["default_format", "header"])
def test_a_format_is_no_way_to_write_files(collector: Collector, way: str) -> None:
    bad = "TSV INTO OUTFILE '/tmp/leyden-escape'"
    if way == "header":
        answer = collector.query("SELECT 1", x_clickhouse_format=bad)
    else:
        where = urllib.parse.urlencode({"query": "SELECT 1", "default_format": bad})
        answer = ask(f"{collector.url}/clickhouse?{where}")
    assert answer.status == 500


@pytest.mark.parametrize(
    "parameters", [{"readonly": "0"}, {"max_execution_time": "0"}, {"password": "guess"}, {"user": "admin"}]
)
def test_a_stranger_gains_nothing_by_parameters(collector: Collector, parameters: dict[str, str]) -> None:
    where = urllib.parse.urlencode(parameters)
    answer = ask(f"{collector.url}/clickhouse?{where}", b"DROP TABLE rewards", content_type="text/plain")
    assert answer.status == 500


def test_a_strangers_bomb_is_refused(collector: Collector) -> None:
    packed = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    bomb = b"".join(packed.compress(b" " * (1 << 20)) for _ in range(512)) + packed.flush()
    assert ask(f"{collector.url}/clickhouse", bomb, content_encoding="gzip").status == 400
    assert ask(f"{collector.url}/clickhouse", b" " * (2 << 20)).status == 400


def test_the_owner_writes_with_the_token(owner: Client) -> None:
    owner.insert("saved_queries", [["mine", 1, "SELECT"]], column_names=["Name", "Version", "Sql"])
    assert owner.query("SELECT Name FROM saved_queries").result_rows == [("mine",)]
    owner.command("ALTER TABLE saved_queries DELETE WHERE 1 SETTINGS mutations_sync = 1")
    assert owner.query("SELECT count() FROM saved_queries").result_rows == [(0,)]


def test_the_owner_inserts_any_format_in_any_encoding(collector: Collector) -> None:
    def insert(body: bytes, **headers: str) -> int:
        where = urllib.parse.urlencode({"query": "INSERT INTO rewards FORMAT JSONEachRow"})
        key = {"x_clickhouse_key": token_of(collector)}
        return ask(f"{collector.url}/clickhouse?{where}", body, **key, **headers).status

    rows = [{"RolloutId": f"r{n}", "Name": "it's\n", "Source": "x", "Value": n} for n in range(3)]
    lines = "\n".join(map(json.dumps, rows)).encode()
    assert insert(lines) == 200
    assert insert(gzip.compress(lines), content_encoding="gzip") == 200
    assert insert(b"{") == 500
    found = collector.query(
        "SELECT sum(Value) AS v, any(Name) AS n FROM rewards FINAL WHERE Source = 'x' FORMAT JSONEachRow"
    )
    assert found.json() == {"v": 3, "n": "it's\n"}


def test_another_process_reads_and_writes_the_store_through_it(collector: Collector) -> None:
    """This process does as every `leyden` command: it opens the folder and finds the collector."""
    with LightningStore.open(collector.dsn) as store:
        assert store.connection.gateway is not None
        assert len(store.trace(f"{1:032x}").spans) == 2
        assert store.add_rewards([PostedReward("reward", 0.5, trace_id=f"{1:032x}")]) == 1
        (rollout,) = store.rollouts(store.select(where=f"TraceId = '{1:032x}'"))
        assert rollout.reward() == 0.5
        assert store.queries.save("all", "SELECT TraceId FROM traces").version == 1
        store.compact()
    assert ask(f"{collector.url}/health").status == 200


@pytest.mark.server
def test_over_a_server_it_is_off_and_says_where_to_ask(server_dsn: str, tmp_path: Path) -> None:
    with Collector(server_dsn, tmp_path) as over:
        for path in ("/clickhouse", "/clickhouse/ping"):
            answer = ask(f"{over.url}{path}")
            assert answer.status == 404
            assert urlsplit(server_dsn).netloc.rpartition("@")[2].encode() in answer.body


@pytest.mark.server
def test_over_a_server_no_engine_is_loaded(server_dsn: str, collector: Collector, tmp_path: Path) -> None:
    """It is half of such a collector's memory."""

    def loaded(running: Collector) -> bool:
        assert running.process is not None
        return "_chdb" in Path(f"/proc/{running.process.pid}/maps").read_text()

    with Collector(server_dsn, tmp_path) as over:
        assert over.send(encode_traces([make(1)])).status == 200
        over.flush()
        assert ask(f"{over.url}/api/traces").status == 200
        assert not loaded(over)
    assert loaded(collector)


def test_an_insert_that_fails_behind_its_format_says_so(collector: Collector) -> None:
    """Its rows are read well; what they would be written to refuses them."""
    rows = b"\n".join(json.dumps({"Timestamp": 86400 * day}).encode() for day in range(1, 9))
    statement = "INSERT INTO otel_traces (Timestamp) SETTINGS max_partitions_per_insert_block = 3 FORMAT JSONEachRow"
    where = urllib.parse.urlencode({"query": statement})
    answer = ask(f"{collector.url}/clickhouse?{where}", rows, x_clickhouse_key=token_of(collector))
    assert answer.status == 500
    assert b"Too many partitions" in answer.body


def test_spans_written_through_it_leave_nothing_in_its_working_directory(collector: Collector) -> None:
    span = make(1, trace=0xFADE)
    with LightningStore.open(collector.dsn) as store:
        put(store, [span])
        assert store.trace(span.trace_id).spans
    assert not (collector.folder / "__cache__").exists()

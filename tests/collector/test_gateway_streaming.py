"""Results come in pieces: they need no more memory than a few blocks, and nobody's query outlives its reader."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import time
import urllib.parse
import zlib
from collections.abc import Generator
from concurrent.futures import Executor, ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect
import lz4.frame
import polars as pl
import pyarrow as pa
import pytest
import zstandard
from clickhouse_connect.driver.exceptions import ClickHouseError
from starlette.responses import Response
from starlette.types import Message

from leyden_collector.result_formats import joiner
from leyden_collector.streamed import Pieces, StreamedResponse
from leyden_store.holder import read_holder
from tests.support.collector import Answer, Collector, ask

MANY = 300_000
"""Rows enough for several blocks of 65,409."""

SQL = f"SELECT number AS n, concat('a\"\\n', toString(number)) AS `odd\"\nname`, [number] AS list FROM numbers({MANY})"


def ask_for(collector: Collector, sql: str, timeout: float = 60, **parameters: str) -> Answer:
    where = urllib.parse.urlencode(parameters)
    return ask(f"{collector.url}/clickhouse?{where}", sql.encode(), content_type="text/plain", timeout=timeout)


@pytest.mark.parametrize(
    "form",
    [
        "TabSeparated", "TSV", "TSVWithNames", "TabSeparatedWithNamesAndTypes", "CSV", "CSVWithNames",
        "CSVWithNamesAndTypes", "JSONEachRow", "JSONCompactEachRowWithNames", "JSONCompactEachRowWithNamesAndTypes",
        "RowBinary", "RowBinaryWithNames", "RowBinaryWithNamesAndTypes", "TSKV", "MsgPack",
    ],
)  # fmt: skip
def test_a_result_in_pieces_is_the_result(collector: Collector, form: str) -> None:
    """One block holds them all when it may be that large: then the engine itself writes the whole."""
    assert joiner(form) is not None
    pieces = ask_for(collector, f"{SQL} FORMAT {form}")
    whole = ask_for(collector, SQL, max_block_size=str(2 * MANY), default_format=form)
    assert pieces.status == whole.status == 200
    assert pieces.body == whole.body


@pytest.mark.parametrize("form", ["Arrow", "ArrowStream"])
def test_arrow_in_pieces_is_read_by_polars_and_pyarrow(collector: Collector, form: str) -> None:
    answer = ask_for(collector, f"SELECT number AS n, 'x' AS s FROM numbers({MANY}) FORMAT {form}")
    frame = (pl.read_ipc if form == "Arrow" else pl.read_ipc_stream)(io.BytesIO(answer.body))
    assert (frame.height, frame["n"].sum()) == (MANY, MANY * (MANY - 1) // 2)
    opened = (pa.ipc.open_file if form == "Arrow" else pa.ipc.open_stream)(pa.BufferReader(answer.body))
    assert opened.read_all().num_rows == MANY


@pytest.mark.parametrize(
    ("form", "body"),
    [("TSV", b""), ("CSVWithNames", b'"n"\n'), ("JSONEachRow", b""), ("Native", b"")],
)
def test_a_result_without_rows_has_its_heading(collector: Collector, form: str, body: bytes) -> None:
    assert ask_for(collector, f"SELECT 1 AS n WHERE 0 FORMAT {form}").body == body


@pytest.mark.parametrize("form", ["Arrow", "ArrowStream"])
def test_arrow_without_rows_has_its_schema(collector: Collector, form: str) -> None:
    answer = ask_for(collector, f"SELECT 1 AS n WHERE 0 FORMAT {form}")
    assert (pl.read_ipc if form == "Arrow" else pl.read_ipc_stream)(io.BytesIO(answer.body)).columns == ["n"]


@pytest.mark.parametrize("form", ["JSON", "JSONCompact", "Parquet", "Pretty", "XML", "Markdown", "Values"])
def test_formats_that_are_one_document_come_whole(collector: Collector, form: str) -> None:
    answer = ask_for(collector, f"SELECT number FROM numbers({MANY}) FORMAT {form}")
    assert answer.status == 200
    if form == "JSON":
        assert answer.json()["rows"] == MANY
    if form == "Parquet":
        assert pl.read_parquet(io.BytesIO(answer.body)).height == MANY


@pytest.mark.parametrize("sql", ["SHOW TABLES", "DESCRIBE TABLE otel_traces", "EXPLAIN SELECT 1", "EXISTS otel_traces"])
def test_what_is_no_select_is_answered_too(collector: Collector, sql: str) -> None:
    assert ask_for(collector, f"{sql} FORMAT CSVWithNames").body.startswith(b'"')


@pytest.mark.parametrize("sql", ["SELECT 'x FORMAT CSV'", "SELECT 1 AS format", "SELECT 'x' -- FORMAT CSV"])
def test_a_format_is_named_by_its_clause_alone(collector: Collector, sql: str) -> None:
    assert ask_for(collector, sql, default_format="JSONEachRow").body.startswith(b"{")


def test_settings_of_how_results_look_are_the_callers(collector: Collector) -> None:
    sql = "SELECT toUInt64(1) AS n FORMAT JSONEachRow"
    assert ask_for(collector, sql, output_format_json_quote_64bit_integers="1").json() == {"n": "1"}
    assert ask_for(collector, sql, output_format_json_quote_64bit_integers="0").json() == {"n": 1}
    assert ask_for(collector, "SELECT 1 UNION SELECT 1", union_default_mode="ALL").body == b"1\n1\n"


@pytest.mark.parametrize(
    "setting", ["additional_table_filters", "output_format_schema", "allow_ddl", "log_comment", "format_schema_path"]
)
def test_other_settings_are_refused_by_name(collector: Collector, setting: str) -> None:
    answer = ask_for(collector, "SELECT 1", **{setting: "1"})
    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (500, "164")
    assert setting.encode() in answer.body


def test_limits_can_be_lowered_and_not_lifted(collector: Collector) -> None:
    assert b"(TOO_MANY_ROWS_OR_BYTES)" in ask_for(collector, "SELECT number FROM numbers(9)", max_result_rows="5").body
    asked = "SELECT name, value FROM system.settings WHERE name IN ('max_execution_time', 'readonly') ORDER BY name"
    for wish in ("0", "100000", "1e9", "-1"):
        assert ask_for(collector, asked, max_execution_time=wish).body == b"max_execution_time\t60\nreadonly\t1\n"
    assert b"is a number" in ask_for(collector, "SELECT 1", max_execution_time="soon").body


def test_a_whole_document_may_not_be_huge(collector: Collector) -> None:
    sql = "SELECT concat(toString(number), repeat('x', 1000000)) FROM numbers(140)"
    assert b"(TOO_MANY_ROWS_OR_BYTES)" in ask_for(collector, f"{sql} FORMAT JSON").body
    assert len(ask_for(collector, f"{sql} FORMAT TSV").body) > 140_000_000


@pytest.mark.parametrize(
    ("encoding", "unpack"),
    [
        ("gzip", gzip.decompress),
        ("deflate", zlib.decompress),
        ("zstd", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
        ("lz4", lz4.frame.decompress),
    ],
)
def test_results_are_compressed_where_the_client_asks(collector: Collector, encoding: str, unpack) -> None:  # type: ignore[no-untyped-def]
    url = f"{collector.url}/clickhouse?enable_http_compression=1"
    sql = f"SELECT number FROM numbers({MANY})".encode()
    packed = ask(url, sql, content_type="text/plain", Accept_Encoding=f"br;q=1.0, {encoding}")
    assert packed.headers["content-encoding"] == encoding
    assert unpack(packed.body) == ask(f"{collector.url}/clickhouse", sql, content_type="text/plain").body
    plain = ask(f"{collector.url}/clickhouse", b"SELECT 1", content_type="text/plain", Accept_Encoding=encoding)
    assert "content-encoding" not in plain.headers


def test_what_is_not_spoken_is_said(collector: Collector) -> None:
    assert b"enable_http_compression" in ask_for(collector, "SELECT 1", compress="1").body
    assert b"no database 'system'" in ask_for(collector, "SELECT 1", database="system").body


def test_clickhouse_connect_reads_and_streams_compressed(collector: Collector) -> None:
    parts = urlsplit(collector.url)
    with clickhouse_connect.get_client(
        host=parts.hostname, port=parts.port, proxy_path="clickhouse", compress=True
    ) as client:
        assert client.query_np(f"SELECT number FROM numbers({MANY})").sum() == MANY * (MANY - 1) // 2
        assert client.query_arrow(f"SELECT number FROM numbers({MANY})").num_rows == MANY
        with client.query_row_block_stream(f"SELECT number FROM numbers({MANY})") as blocks:
            assert sum(map(len, blocks)) == MANY
        with client.query_arrow_stream(f"SELECT number FROM numbers({MANY})") as batches:
            assert sum(batch.num_rows for batch in batches) == MANY
        with client.raw_stream(f"SELECT number FROM numbers({MANY})", fmt="CSV") as raw:
            assert sum(1 for _ in csv.reader(io.TextIOWrapper(raw))) == MANY


def test_clickhouse_connect_reads_asynchronously(collector: Collector) -> None:
    asyncio.run(read_asynchronously(collector))


async def read_asynchronously(collector: Collector) -> None:
    parts = urlsplit(collector.url)
    client = await clickhouse_connect.get_async_client(
        host=parts.hostname, port=parts.port, proxy_path="clickhouse", autogenerate_session_id=False
    )
    try:
        found = await client.query("SELECT {n:UInt8} + number FROM numbers(3)", parameters={"n": 1})
        assert found.result_rows == [(1,), (2,), (3,)]
        assert (await client.query_arrow("SELECT number FROM numbers(10)")).num_rows == 10
    finally:
        await client.close()


FAILING = "SELECT throwIf(number = 3900000, 'too far') FROM numbers(4000000)"


def test_an_error_in_the_middle_cannot_be_taken_for_the_end(collector: Collector) -> None:
    connection, response = opened(collector, f"{FAILING} FORMAT TSV")
    with pytest.raises(IncompleteRead) as caught:
        response.read()
    tag = response.headers["X-ClickHouse-Exception-Tag"].encode()
    assert b"\r\n__exception__\r\n" + tag + b"\r\nCode: 395. DB::Exception: too far" in caught.value.partial
    connection.close()


def test_clickhouse_connect_raises_an_error_in_the_middle(collector: Collector) -> None:
    parts = urlsplit(collector.url)
    with (
        clickhouse_connect.get_client(host=parts.hostname, port=parts.port, proxy_path="clickhouse") as client,
        pytest.raises(ClickHouseError, match="too far"),
    ):
        assert client.query(FAILING).result_rows


def opened(collector: Collector, sql: str) -> tuple[HTTPConnection, HTTPResponse]:
    """A query whose answer has begun."""
    parts = urlsplit(collector.url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    connection.request("POST", "/clickhouse", sql.encode())
    return connection, connection.getresponse()


def running(collector: Collector, part: str) -> int:
    sql = f"SELECT count() FROM system.processes WHERE query LIKE '%{part}%' AND query NOT LIKE '%system.processes%'"
    return int(collector.query(sql).body)


def settled(collector: Collector, part: str) -> bool:
    deadline = time.monotonic() + 10
    while running(collector, part):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_query_ends_when_its_reader_leaves_in_the_middle(collector: Collector) -> None:
    connection, response = opened(collector, "SELECT number, 'leaving' FROM numbers(10000000000) FORMAT TSV")
    assert response.read(1000)
    assert running(collector, "leaving") == 1
    response.close()
    connection.close()
    assert settled(collector, "leaving")


def test_a_query_ends_when_its_reader_leaves_before_the_first_row(collector: Collector) -> None:
    parts = urlsplit(collector.url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    connection.request("POST", "/clickhouse", b"SELECT sum(sipHash64(number, 'gone')) FROM numbers(1000000000000)")
    while not running(collector, "gone"):
        time.sleep(0.05)
    connection.close()
    assert settled(collector, "gone")


def test_a_large_result_needs_little_memory(tmp_path: Path) -> None:
    """600 MB pass through a process whose memory grows by less than a third of that."""
    with Collector(f"chdb://{tmp_path}/store", tmp_path) as fresh:
        assert fresh.process is not None
        ask_for(fresh, "SELECT number FROM numbers(1000000) FORMAT ArrowStream")
        before, most, size = resident_mb(fresh.process.pid), 0, 0
        connection, response = opened(fresh, "SELECT number, repeat('x', 100) FROM numbers(6000000) FORMAT TSV")
        while data := response.read(8 << 20):
            size += len(data)
            most = max(most, resident_mb(fresh.process.pid))
        connection.close()
        assert size > 600_000_000
        assert most - before < 200, f"{before} MB grew to {most} MB"


def resident_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


def test_the_owner_may_set_what_it_likes(collector: Collector) -> None:
    info = read_holder(collector.folder / "store")
    assert info is not None
    url = f"{collector.url}/clickhouse?max_execution_time=123&max_result_rows=0"
    sql = b"SELECT value FROM system.settings WHERE name = 'max_execution_time' FORMAT JSONEachRow"
    assert ask(url, sql, x_clickhouse_key=info.token).json() == {"value": "123"}
    refused = ask(f"{url}&readonly=1", b"DROP TABLE rewards", x_clickhouse_key=info.token)
    assert b"(READONLY)" in refused.body
    assert ask(f"{url}&nonsense=1", sql, x_clickhouse_key=info.token).status == 500


def test_a_result_is_let_go_before_its_reader_sees_its_end() -> None:
    """So that who asks the audit log next finds the query in it."""
    happened: list[str] = []

    def made() -> Generator[bytes, None, None]:
        yield b"rows"

    async def receive() -> Message:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            happened.append("more" if message.get("more_body") else "end")

    async def answer(on: Executor) -> None:
        pieces = Pieces(made(), lambda: None, lambda: happened.append("let go"))
        turns = asyncio.Semaphore(1)
        response = StreamedResponse(lambda: pieces, on=on, turns=turns, failed=lambda _: Response(), headers={})
        await response({"type": "http"}, receive, send)

    with ThreadPoolExecutor(1) as on:
        asyncio.run(answer(on))
    assert happened == ["more", "let go", "end"]

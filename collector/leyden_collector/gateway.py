"""The gateway: ClickHouse's HTTP interface over the embedded engine, at `/clickhouse`.

The engine does every format; this hands it the query, the parameters and the insert's bytes, and the result back. So
clickhouse-connect, curl and Grafana's plugin reach an embedded store as they reach a server. Without the admin token a
caller may only read, under time and row limits; the engine itself refuses the rest (`readonly = 1`).
"""

from __future__ import annotations

import hmac
import queue
import re
import zlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chdb import ChdbError
from chdb.state.sqlitelike import Connection as Engine
from chdb.state.sqlitelike import connect
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

_READER_LIMITS = ("max_execution_time = 60", "max_result_bytes = 1000000000", "max_memory_usage = 4000000000")

# Settings a caller's client sends with every request and that concern HTTP, not the engine.
_TRANSPORT = {
    "query", "default_format", "database", "user", "password", "session_id", "session_timeout", "session_check", "query_id",
    "compress", "decompress", "wait_end_of_query", "client_protocol_version", "enable_http_compression", "buffer_size",
    "send_progress_in_http_headers", "http_headers_progress_interval_ms", "quota_key", "role", "readonly",
}  # fmt: skip

_INSERT = re.compile(r"^\s*INSERT\s+INTO\s.*\bFORMAT\s+(?P<format>\w+)\s*;?\s*$", re.IGNORECASE | re.DOTALL)
_NAME = re.compile(r"^[A-Za-z_]\w*$")


class Gateway:
    """Engine handles of one embedded store: some that may write, some that can only read."""

    def __init__(self, engine_path: Path, token: str, *, size: int = 4) -> None:
        self._path = str(engine_path.resolve())
        self._token = token
        self._readers: queue.LifoQueue[Engine | None] = queue.LifoQueue()
        self._writers: queue.LifoQueue[Engine | None] = queue.LifoQueue()
        for _ in range(size):
            self._readers.put(None)
            self._writers.put(None)

    def router(self) -> APIRouter:
        """`/clickhouse`, GET and POST."""
        routes = APIRouter(tags=["clickhouse"])

        @routes.api_route("/clickhouse", methods=["GET", "POST"], summary="Query the store (ClickHouse HTTP interface)")
        @routes.api_route("/clickhouse/", methods=["GET", "POST"], include_in_schema=False)
        async def clickhouse(request: Request) -> Response:
            body = _plain(await request.body(), request.headers.get("content-encoding", ""))
            return await run_in_threadpool(self._answer, request, body)

        @routes.get("/clickhouse/ping", include_in_schema=False)
        async def ping() -> Response:
            return Response("Ok.\n")

        return routes

    def close(self) -> None:
        """Close every handle. Call before the store is closed."""
        for pool in (self._readers, self._writers):
            while not pool.empty():
                handle = pool.get()
                if handle is not None:
                    handle.close()

    def _answer(self, request: Request, body: bytes) -> Response:
        sql = request.query_params.get("query", "")
        data = body
        if not sql:
            sql, data = body.decode(), b""
        params = {k[6:]: v for k, v in request.query_params.items() if k.startswith("param_")}
        settings = {
            k: v for k, v in request.query_params.items() if not k.startswith("param_") and k not in _TRANSPORT
        }
        trusted = self._is_admin(request) and request.query_params.get("readonly", "0") == "0"
        output = request.headers.get("x-clickhouse-format") or request.query_params.get("default_format", "TabSeparated")
        try:
            with self._handle(self._writers if trusted else self._readers, read_only=not trusted) as engine:
                insert = _INSERT.match(sql)
                if insert and trusted:
                    return _insert(engine, sql, insert["format"], data, settings)
                result = engine.query(sql if not data else f"{sql}\n{data.decode()}", output, params=params)
                return Response(result.bytes(), media_type="application/octet-stream", headers={"X-ClickHouse-Format": output})
        except (ChdbError, RuntimeError) as error:
            return _failure(str(error))

    def _is_admin(self, request: Request) -> bool:
        given = request.headers.get("x-clickhouse-key") or request.query_params.get("password") or ""
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                given = b64decode(encoded).decode().partition(":")[2]
            except (Base64Error, UnicodeDecodeError):
                return False
        return hmac.compare_digest(given.encode(), self._token.encode())

    @contextmanager
    def _handle(self, pool: queue.LifoQueue[Engine | None], *, read_only: bool) -> Iterator[Engine]:
        engine = pool.get()
        try:
            if engine is None:
                engine = connect(self._path)
                if read_only:
                    for limit in _READER_LIMITS:
                        engine.query(f"SET {limit}")
                    engine.query("SET readonly = 1")
            yield engine
        finally:
            pool.put(engine)


def _insert(engine: Engine, sql: str, fmt: str, data: bytes, settings: dict[str, str]) -> Response:
    """An INSERT whose bytes follow in `data`; its settings go into the statement, before the format."""
    statement = re.sub(r"\bFORMAT\s+\w+\s*;?\s*$", "", sql, flags=re.IGNORECASE)
    clause = ", ".join(f"{k} = {_quoted(v)}" for k, v in settings.items() if _NAME.match(k))
    inserter = engine.send_insert(f"{statement} SETTINGS {clause}" if clause else statement, fmt)
    try:
        inserter.append(data)
        inserter.finish()
    except BaseException:
        inserter.cancel()
        raise
    return Response(b"", headers={"X-ClickHouse-Summary": "{}"})


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _failure(message: str) -> Response:
    """An error as a server words it: the text with its code, and the code in a header."""
    start = message.find("Code: ")
    text = message[start:] if start >= 0 else message
    code = re.match(r"Code: (\d+)", text)
    headers = {"X-ClickHouse-Exception-Code": code[1] if code else "1000"}
    return Response(text, 500, headers, media_type="text/plain")


def _plain(body: bytes, encoding: str) -> bytes:
    match encoding.lower():
        case "gzip":
            return zlib.decompress(body, 16 + zlib.MAX_WBITS)
        case "deflate":
            return zlib.decompress(body)
        case "lz4":
            import lz4.frame

            return bytes(lz4.frame.decompress(body))
        case "zstd":
            import zstandard

            return zstandard.ZstdDecompressor().stream_reader(body).read()
    return body

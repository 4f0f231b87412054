"""The gateway: ClickHouse's HTTP interface over the embedded engine, at `/clickhouse`.

The engine does every format; this hands it the query, the parameters and the insert's bytes, and the result back. So
clickhouse-connect, curl and Grafana's plugin reach an embedded store as they reach a server. Without the admin token a
caller may only read the store's tables, under limits of time and size: `leyden_store.guard` refuses the rest by name,
and the engine by `readonly = 1`.
"""

from __future__ import annotations

import queue
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chdb import ChdbError
from chdb.state.sqlitelike import Connection as Engine
from chdb.state.sqlitelike import connect
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from leyden_collector.access import Access, AccessDenied
from leyden_collector.door import grant_of, headers_of
from leyden_collector.inflate import BodyCorrupt, BodyTooLarge, EncodingUnsupported, read_body
from leyden_collector.native_revision import UnknownType, with_revision
from leyden_store.errors import QueryRefused
from leyden_store.guard import check
from leyden_store.keys import Scope

_READER_LIMITS = ("max_execution_time = 60", "max_result_bytes = 1000000000", "max_memory_usage = 4000000000")

# Settings a caller's client sends with every request and that concern HTTP, not the engine.
_TRANSPORT = {
    "query", "default_format", "database", "user", "password", "session_id", "session_timeout", "session_check",
    "query_id", "compress", "decompress", "wait_end_of_query", "client_protocol_version", "enable_http_compression",
    "buffer_size",
    "send_progress_in_http_headers", "http_headers_progress_interval_ms", "quota_key", "role", "readonly",
}  # fmt: skip

_INSERT = re.compile(
    rb"\s*(?P<statement>INSERT\s+INTO\s[^\n]+?)\s+FORMAT\s+(?P<format>\w+)[ \t]*(?:\n|$)", re.IGNORECASE
)
_NAME = re.compile(r"^[A-Za-z_]\w*$")


_MAX_FIELD_BYTES = 64 << 20
"""A form's field holds the query, or a parameter such as a list of ten thousand trace ids."""

_MAX_QUERY_BYTES = 1 << 20
_MAX_INSERT_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request asks for. insert_format: "" unless it is an INSERT with `data` in that format."""

    sql: str
    parameters: Mapping[str, str]
    insert_format: str = ""
    data: bytes = b""


class Gateway:
    """Engine handles of one embedded store: some that may write, some that can only read."""

    def __init__(self, engine_path: Path, access: Access, *, size: int = 4) -> None:
        self._path = str(engine_path.resolve())
        self._access = access
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
            try:
                grant = await grant_of(request, self._access)
                grant.require(Scope.READ)
            except AccessDenied as error:
                said = f"Code: 516. DB::Exception: {error} (AUTHENTICATION_FAILED)"
                return _failure(said, error.status, headers_of(error))
            admin = grant.may(Scope.ADMIN)
            try:
                asked = await _read(request, _MAX_INSERT_BYTES if admin else _MAX_QUERY_BYTES)
            except (BodyTooLarge, BodyCorrupt, EncodingUnsupported) as error:
                return _failure(f"Code: 1000. DB::Exception: {error} (POCO_EXCEPTION)", 400)
            return await run_in_threadpool(self._answer, request, asked, admin)

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

    def _answer(self, request: Request, asked: _Asked, admin: bool) -> Response:
        trusted = admin and asked.parameters.get("readonly", "0") == "0"
        output = request.headers.get("x-clickhouse-format") or asked.parameters.get("default_format", "TabSeparated")
        try:
            if not _NAME.match(output):
                raise QueryRefused(f"{output!r} is no format")
            if not admin:
                check(asked.sql)
            with self._handle(self._writers if trusted else self._readers, read_only=not trusted) as engine:
                if asked.insert_format and trusted:
                    _insert(engine, asked)
                    return Response(b"", headers={"X-ClickHouse-Summary": "{}"})
                values = {k[6:]: v for k, v in asked.parameters.items() if k.startswith("param_")}
                result = engine.query(asked.sql, output, params=values)
                body = result.bytes()
                if output == "Native":  # a client reads blocks of the revision it names; the engine writes revision 0
                    named = asked.parameters.get("client_protocol_version", "")
                    body = with_revision(body, int(named) if named.isdigit() else 0)
                return Response(body, media_type="application/octet-stream", headers={"X-ClickHouse-Format": output})
        except UnknownType as error:
            return _failure(f"Code: 50. DB::Exception: {error} (UNKNOWN_TYPE)")
        except QueryRefused as error:
            return _failure(f"Code: 164. DB::Exception: {error} (READONLY)")
        except (ChdbError, RuntimeError) as error:
            return _failure(str(error))

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


async def _read(request: Request, limit: int) -> _Asked:
    """A request in any of the forms ClickHouse takes: the query in the URL, the body or a form, data behind it."""
    parameters = dict(request.query_params)
    body = b""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form(max_part_size=min(limit, _MAX_FIELD_BYTES), max_files=10, max_fields=100) as form:
            parameters |= {name: value for name, value in form.items() if isinstance(value, str)}
    else:
        body = await read_body(request.stream(), request.headers.get("content-encoding", ""), limit=limit)
    text = parameters.get("query", "").encode() + (b"\n" if parameters.get("query") and body else b"") + body
    insert = _INSERT.match(text)
    if insert:
        return _Asked(insert["statement"].decode(), parameters, insert["format"].decode(), text[insert.end() :])
    return _Asked(text.decode(errors="replace"), parameters)


def _insert(engine: Engine, asked: _Asked) -> None:
    """An INSERT whose bytes follow; its settings go into the statement."""
    settings = {
        k: v
        for k, v in asked.parameters.items()
        if k not in _TRANSPORT and not k.startswith("param_") and _NAME.match(k)
    }
    clause = ", ".join(f"{name} = {_quoted(value)}" for name, value in settings.items())
    inserter = engine.send_insert(f"{asked.sql} SETTINGS {clause}" if clause else asked.sql, asked.insert_format)
    try:
        inserter.append(asked.data)  # type: ignore[no-untyped-call]
        inserter.finish()
    except BaseException:
        inserter.cancel()  # type: ignore[no-untyped-call]
        raise


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _failure(message: str, status: int = 500, more: Mapping[str, str] | None = None) -> Response:
    """An error as a server words it: the text with its code, and the code in a header."""
    start = message.find("Code: ")
    text = message[start:] if start >= 0 else message
    code = re.match(r"Code: (\d+)", text)
    headers = {"X-ClickHouse-Exception-Code": code[1] if code else "1000", **(more or {})}
    return Response(text, status, headers, media_type="text/plain")

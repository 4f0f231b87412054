"""The gateway: ClickHouse's HTTP interface over the embedded engine, at `/clickhouse`.

The engine does every format; this hands it the query, the parameters and the insert's bytes, and the result back, piece
by piece. So clickhouse-connect, curl and Grafana's plugin reach an embedded store as they reach a server. Without an
admin key a caller may only read the store's tables, under limits of time and size, and with a project's key only that
project: `leyden_store.guard` refuses the rest by name, and the engine by its settings.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from leyden_collector import asked_query
from leyden_collector.access import Access, AccessDenied, Grant
from leyden_collector.asked_query import Asked
from leyden_collector.audit import Auditor
from leyden_collector.door import grant_of, headers_of
from leyden_collector.engine import EngineQuery, EngineRefused, NotStreamed
from leyden_collector.inflate import BodyCorrupt, BodyTooLarge, EncodingUnsupported
from leyden_collector.native_revision import UnknownType
from leyden_collector.reader_settings import WHOLE_RESULT_BYTES, reader_settings
from leyden_collector.result_formats import joiner
from leyden_collector.streamed import Pieces, StreamedResponse, encoding_for
from leyden_store.audit import Action
from leyden_store.connection import Connection
from leyden_store.errors import LeydenError, QueryRefused, StoreError
from leyden_store.guard import check, check_project
from leyden_store.keys import Scope
from leyden_store.table_filters import table_filters

_MAX_INSERT_BYTES = 1 << 30
_AT_ONCE = 6
"""Queries of readers that run together; as many of the store's own commands run beside them."""


class Gateway:
    """The way to one embedded store's engine."""

    def __init__(self, engine_path: Path, connection: Connection, access: Access, auditor: Auditor) -> None:
        self._path = str(engine_path.resolve())
        self._connection = connection
        self._access = access
        self._auditor = auditor
        self._threads = ThreadPoolExecutor(2 * _AT_ONCE, thread_name_prefix="leyden-gateway")
        self._turns = {True: asyncio.Semaphore(_AT_ONCE), False: asyncio.Semaphore(_AT_ONCE)}

    def router(self) -> APIRouter:
        """`/clickhouse`, GET and POST."""
        routes = APIRouter(tags=["clickhouse"])

        @routes.get("/clickhouse", summary="Query the store (ClickHouse HTTP interface)")
        @routes.post("/clickhouse", summary="Query the store or insert (ClickHouse HTTP interface)")
        @routes.api_route("/clickhouse/", methods=["GET", "POST"], include_in_schema=False)
        async def clickhouse(request: Request) -> Response:
            try:
                grant = await grant_of(request, self._access)
                grant.require(Scope.READ)
                limit = _MAX_INSERT_BYTES if grant.may(Scope.ADMIN) else asked_query.MAX_QUERY_BYTES
                asked = await asked_query.read(request, limit=limit)
                if asked.insert_format and grant.may(Scope.ADMIN) and not asked.read_only:
                    return await run_in_threadpool(self._insert, asked)
                return await self._query(request, asked, grant)
            except LeydenError as error:
                return failure(error)
            except (BodyTooLarge, BodyCorrupt, EncodingUnsupported) as error:
                return _said(f"Code: 1000. DB::Exception: {error} (POCO_EXCEPTION)", 400)

        @routes.get("/clickhouse/ping", include_in_schema=False)
        async def ping() -> Response:
            return Response("Ok.\n")

        return routes

    def close(self) -> None:
        """Wait for what runs. Call before the store is closed."""
        self._threads.shutdown(cancel_futures=True)

    async def _query(self, request: Request, asked: Asked, grant: Grant) -> Response:
        admin = grant.may(Scope.ADMIN)
        whole: dict[str, str | int] = {} if joiner(asked.output) else {"max_result_bytes": WHOLE_RESULT_BYTES}
        if admin:
            settings = {**whole, **asked.settings, **({"readonly": 1} if asked.read_only else {})}
        else:
            check(asked.sql + (f" FORMAT {asked.insert_format}" if asked.insert_format else ""))
            if grant.project:
                check_project(asked.sql)
            filters = await run_in_threadpool(table_filters, self._connection, grant.project)
            settings = {**whole, **reader_settings(asked.settings, filters)}
        encoding = encoding_for(request.headers.get("accept-encoding", "")) if asked.compressed else ""
        return StreamedResponse(
            lambda: self._pieces(asked, settings, grant),
            on=self._threads,
            turns=self._turns[admin],
            failed=failure,
            headers={"Content-Type": "application/octet-stream", "X-ClickHouse-Format": asked.output},
            encoding=encoding,
        )

    def _pieces(self, asked: Asked, settings: Mapping[str, str | int], grant: Grant) -> Pieces:
        query = EngineQuery(self._path, settings)
        rows = 0

        def made() -> Generator[bytes, None, None]:
            nonlocal rows
            for piece, count in _made(query, asked):
                rows += count
                yield piece

        def close() -> None:
            query.close()
            self._auditor.note(grant, Action.SQL, asked.sql, rows)

        return Pieces(made(), query.stop, close)

    def _insert(self, asked: Asked) -> Response:
        """An INSERT whose bytes follow."""
        with EngineQuery(self._path, asked.settings) as query:
            written = query.insert(asked.sql, asked.insert_format, asked.data)
        return Response(b"", headers={"X-ClickHouse-Summary": f'{{"written_rows": "{written}"}}'})


def _made(query: EngineQuery, asked: Asked) -> Generator[tuple[bytes, int], None, None]:
    """A result in pieces, each with its rows; in one piece where the format or the statement has no others."""
    try:
        yield from _pieces(query, asked)
    except UnknownType as error:
        raise EngineRefused(f"Code: 50. DB::Exception: {error} (UNKNOWN_TYPE)") from error


def _pieces(query: EngineQuery, asked: Asked) -> Generator[tuple[bytes, int], None, None]:
    joined = joiner(asked.output, asked.revision)
    if joined is not None:
        empty = True
        try:
            for block, rows in query.pieces(asked.sql, joined.engine_format, asked.parameters):
                empty = False
                yield joined.add(block), rows
        except NotStreamed:
            pass
        else:
            if not empty:
                yield joined.end(), 0
                return
            # Without a row the engine makes no block, not even a heading: it is asked for the whole.
    yield _whole(query, asked)


def _whole(query: EngineQuery, asked: Asked) -> tuple[bytes, int]:
    body, rows = query.whole(asked.sql, asked.output, asked.parameters)
    joined = joiner("Native", asked.revision) if asked.output.lower() == "native" else None
    return (joined.add(body) if joined else body), rows


def failure(error: LeydenError) -> Response:
    """An error as a server words it."""
    match error:
        case EngineRefused():
            return _said(str(error))
        case AccessDenied():
            return _said(f"Code: 516. DB::Exception: {error} (AUTHENTICATION_FAILED)", error.status, headers_of(error))
        case QueryRefused():
            return _said(f"Code: 164. DB::Exception: {error} (READONLY)")
        case StoreError():
            return _said(f"Code: 210. DB::Exception: {error} (NETWORK_ERROR)", 503)
    return _said(f"Code: 1001. DB::Exception: {error} (STD_EXCEPTION)")


def elsewhere(where: str) -> APIRouter:
    """`/clickhouse` of a collector whose store is a server: it says so."""
    routes = APIRouter()

    @routes.api_route("/clickhouse", methods=["GET", "POST"], include_in_schema=False)
    @routes.api_route("/clickhouse/{_:path}", methods=["GET", "POST"], include_in_schema=False)
    async def clickhouse() -> Response:
        return _said(
            f"Code: 1002. DB::Exception: this collector's store is the ClickHouse server {where}: ask it directly "
            "(/clickhouse is for embedded stores) (UNKNOWN_EXCEPTION)",
            404,
        )

    return routes


def _said(message: str, status: int = 500, more: Mapping[str, str] | None = None) -> Response:
    """The text with its code, and the code in a header."""
    code = re.match(r"Code: (\d+)", message)
    headers = {"X-ClickHouse-Exception-Code": code[1] if code else "1000", **(more or {})}
    return Response(message, status, headers, media_type="text/plain")

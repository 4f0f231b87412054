"""OTLP into the store: bytes in, ClickHouse parses them. The only way spans are written."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO, Literal

from leyden_store import sql
from leyden_store.connection import Connection
from leyden_store.errors import MemoryShort, OtlpInvalid, StoreError
from leyden_store.flattening import Flattening
from leyden_store.guard import settings_clause

if TYPE_CHECKING:
    from chdb.state.sqlitelike import Connection as Engine

_PIECE = 1 << 20
"""Bytes of a file in memory at a time."""

_LANDING = {"traces": "otlp_trace_requests", "logs": "otlp_logs"}
"""Signal → the table that takes its requests (schema/views)."""

_SETTINGS: dict[str, int | str] = {
    "input_format_protobuf_oneof_presence": 1,
    "async_insert": 0,  # an answer means stored
    "max_partitions_per_insert_block": 0,  # late spans may fall in any day
    "optimize_on_insert": 0,  # merges fold duplicates; folding on insert costs a third of the throughput
    # Views are planned for every insert: without these that takes a quarter less, and the plans are as good.
    "query_plan_enable_optimizations": 0,
    "compile_expressions": 0,
}

# What ClickHouse answers to bytes that are no such message (src/Common/ErrorCodes.cpp); any other code is the store's
# trouble, not the bytes'. By number: the name stands at the end of a text that may be cut.
_MALFORMED = {
    3,  # UNEXPECTED_END_OF_FILE
    32,  # ATTEMPT_TO_READ_AFTER_EOF
    33,  # CANNOT_READ_ALL_DATA
    117,  # INCORRECT_DATA
    131,  # TOO_LARGE_STRING_SIZE
    441,  # PROTOBUF_BAD_CAST
    444,  # UNKNOWN_PROTOBUF_FORMAT
}
_MEMORY_LIMIT_EXCEEDED = 241


def delimited(requests: Iterable[bytes]) -> bytes:
    """Frame export requests the way FORMAT Protobuf reads them: each preceded by its length as a varint."""
    return b"".join(varint(len(request)) + request for request in requests)


def varint(number: int) -> bytes:
    """A non-negative integer as Protobuf writes it (https://protobuf.dev/programming-guides/encoding/#varints)."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class OtlpWriter:
    """Writes segments (length-delimited export requests of one signal) into the store; threads may share it."""

    def __init__(self, connection: Connection, signal: Literal["traces", "logs"] = "traces") -> None:
        self._connection = connection
        self._signal = signal
        # A gateway's engine is given an insert's rows as a file of its own, so its view flattens them.
        self._flattening = Flattening(connection) if signal == "traces" and connection.gateway is None else None
        self._engines: list[Engine] = []
        self._lock = threading.Lock()

    def write(self, segment: bytes | BinaryIO, *, token: str) -> None:
        """Store a segment, whole or not at all; the same token again within ClickHouse's window stores nothing twice.

        segment: a file of it is read piece by piece.
        Raises OtlpInvalid when a request in it is malformed, MemoryShort when the store has too little memory for it,
        StoreError when the store cannot take it now.
        """
        if not segment:
            return
        try:
            if self._connection.engine_path is not None:
                self._write_embedded(segment, token)
            else:
                self._write_over_http(segment, token)
        except Exception as error:
            if self._flattening is not None:
                self._flattening.forget()
            text = " ".join(str(error).split())
            said = re.search(r"Code: (\d+)", text)
            code = int(said[1]) if said else 0
            if code in _MALFORMED:
                raise OtlpInvalid(f"ClickHouse cannot read the OTLP bytes: {text[:300]}") from error
            if code == _MEMORY_LIMIT_EXCEEDED:
                raise MemoryShort(f"ClickHouse has too little memory for this insert: {text[:300]}") from error
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"the store did not take the {self._signal}: {text[:500]}") from error

    def close(self) -> None:
        """Let the engine go. Call before the store is closed."""
        with self._lock:
            while self._engines:
                self._engines.pop().close()

    def _settings(self, token: str) -> dict[str, int | str]:
        own = self._flattening.settings if self._flattening is not None else {}
        return {**_SETTINGS, **own, **self._schema(), "insert_deduplication_token": token}

    def _schema(self) -> dict[str, str]:
        """The settings that say how requests look.

        An embedded engine, here or behind a gateway on this machine, would write a schema given as a string into its
        working directory, and a server does not see this machine's files.
        """
        if self._connection.engine_path is not None or self._connection.gateway is not None:
            return {"format_schema": f"{sql.proto(self._signal)}:Request"}
        return {
            "format_schema_source": "string",
            "format_schema": sql.proto(self._signal).read_text(encoding="utf-8"),
            "format_schema_message_name": "Request",
        }

    def _write_over_http(self, segment: bytes | BinaryIO, token: str) -> None:
        if self._flattening is None:
            landing, pieces = _LANDING[self._signal], _Pieces(segment)
        else:
            statement = self._flattening.insert("input({structure})") + " FORMAT Protobuf\n"
            landing, pieces = None, _Pieces(segment, behind=statement.encode())
        with self._connection.client() as client:
            client.raw_insert(landing, insert_block=pieces, fmt="Protobuf", settings=self._settings(token))  # type: ignore[arg-type]

    def _write_embedded(self, segment: bytes | BinaryIO, token: str) -> None:
        """On a handle of its own: neither readers' queries nor other inserts hold it up.

        The engine reads a file, by its descriptor, for a path may hold what it takes for a pattern. Bytes could be
        given to chDB's `send_insert`, but that keeps quiet about what fails after they are parsed, in a view or on a
        full disk, as if all were stored.
        """
        if isinstance(segment, bytes):
            with tempfile.TemporaryFile() as file:
                file.write(segment)
                file.flush()
                self._write_embedded(file, token)
            return
        segment.seek(0)
        path = f"/dev/fd/{segment.fileno()}"
        if self._flattening is None:
            insert = f"INSERT INTO {_LANDING[self._signal]} SELECT * FROM file('{path}', 'Protobuf')"
        else:
            insert = self._flattening.insert(f"file('{path}', 'Protobuf', {{structure}})")
        with self._lock:
            engine = self._engines.pop() if self._engines else None
        if engine is None:
            from chdb.state.sqlitelike import connect  # loads the engine, which a server's collector has no memory for

            engine = connect(str(self._connection.engine_path.resolve()))  # type: ignore[union-attr]
        try:
            engine.query(f"{insert} SETTINGS {settings_clause(self._settings(token))}")
        finally:
            with self._lock:
                self._engines.append(engine)


class _Pieces:
    """A segment behind a statement, from its beginning each time: an HTTP client that connects anew sends all of it.

    Bytes are iterated too, for given as they are they would be copied behind the statement.
    """

    def __init__(self, segment: bytes | BinaryIO, *, behind: bytes = b"") -> None:
        self._segment = segment
        self._behind = behind

    def __iter__(self) -> Iterator[bytes]:
        if self._behind:
            yield self._behind
        if isinstance(self._segment, bytes):
            yield self._segment
            return
        self._segment.seek(0)
        while piece := self._segment.read(_PIECE):
            yield piece

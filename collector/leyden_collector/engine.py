"""One query on the embedded engine: a handle of its own, its limits, its result in pieces, and a way to stop it.

A handle takes a millisecond to open and shares the engine with all others. So every query has a fresh one: what is set
for one caller (limits, filters, `readonly`) can neither stay behind for the next nor hold another up.
"""

from __future__ import annotations

import re
import secrets
import tempfile
from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from leyden_store.errors import LeydenError
from leyden_store.guard import quoted, settings_clause

if TYPE_CHECKING:
    from chdb.state.sqlitelike import Connection as Handle

_SETTINGS_CLAUSE = re.compile(r"(.*?)(?:(\sSETTINGS\s)(.*))?\Z", re.DOTALL | re.IGNORECASE)
"""An INSERT's own settings stand behind where its rows come from."""

_NOT_STREAMED = "Streaming query is not supported"


class EngineRefused(LeydenError):
    """The engine's own words, beginning with `Code:`."""


class EngineQuery:
    """A handle for one query. Use it as a context manager; `stop` may be called from any other thread."""

    def __init__(self, path: str, settings: Mapping[str, str | int | float]) -> None:
        """settings: applied first, in their order; after `readonly` none can be changed. Raises EngineRefused."""
        self._path = path
        self._tag = f"/* leyden {secrets.token_hex(8)} */ "
        self._handle = _opened(path)
        try:
            if settings:
                self._handle.query("SET " + settings_clause(settings))
        except BaseException as error:
            self.close()
            raise _refused(error) if isinstance(error, _failures()) else error from None

    def __enter__(self) -> EngineQuery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the handle back."""
        self._handle.close()

    def whole(self, sql: str, output: str, parameters: Mapping[str, str]) -> tuple[bytes, int]:
        """Run any statement: its whole result, and the rows in it. Raises EngineRefused."""
        try:
            result = self._handle.query(self._tag + sql, output, params=dict(parameters))
        except _failures() as error:
            raise _refused(error) from None
        return result.bytes(), int(result.rows_read())

    def pieces(self, sql: str, output: str, parameters: Mapping[str, str]) -> Generator[tuple[bytes, int], None, None]:
        """Run a SELECT: block by block, each a whole result in the format, with its rows.

        The engine makes a block when one is asked for, so memory is that of a few blocks. Raises EngineRefused, and
        NotStreamed before the first block of a statement that gives its result only whole.
        """
        try:
            with self._handle.send_query(self._tag + sql, output, params=dict(parameters)) as stream:
                for block in stream:
                    yield block.bytes(), int(block.rows_read())
        except _failures() as error:
            if _NOT_STREAMED in str(error):
                raise NotStreamed(str(error)) from None
            raise _refused(error) from None

    def insert(self, sql: str, form: str, data: bytes) -> int:
        """Run an INSERT without its FORMAT, whose rows are given; how many were written, those of views too.

        The engine reads them as a file: chDB's streamed inserts keep quiet about what fails after rows are parsed.
        Raises EngineRefused.
        """
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            into, settings, given = _SETTINGS_CLAUSE.match(sql).groups()  # type: ignore[union-attr] # matches anything
            source = f"FROM INFILE '/dev/fd/{file.fileno()}' {settings or ''}{given or ''} FORMAT {form}"
            try:
                return int(self._handle.query(f"{into} {source}").rows_written())
            except _failures() as error:
                raise _refused(error) from None

    def stop(self) -> None:
        """End the query where it stands, if it runs yet; it raises EngineRefused in its own thread then."""
        killer = _opened(self._path)
        try:
            with suppress(*_failures()):
                killer.query(f"KILL QUERY WHERE startsWith(query, {quoted(self._tag)}) ASYNC")
        finally:
            killer.close()


class NotStreamed(Exception):
    """The statement gives its result only whole (SHOW, DESCRIBE, EXPLAIN, DDL, …)."""


def _opened(path: str) -> Handle:
    from chdb.state.sqlitelike import connect  # loads the engine: 180 MB, which a server's collector has no use for

    return connect(path)


def _failures() -> tuple[type[Exception], ...]:
    """What a handle raises."""
    from chdb import ChdbError

    return ChdbError, RuntimeError


def _refused(error: BaseException) -> EngineRefused:
    """The engine says its code twice when a setting is refused, and chDB puts words of its own before it."""
    text = str(error)
    start = text.find("Code: ")
    return EngineRefused(text[start:] if start >= 0 else text)

"""Everything the store raises.

LeydenError                     one clear line that says what to do; the command line prints it without a traceback
├── StoreError
│   ├── DsnInvalid              the DSN is not chdb:///…, clickhouse://… or clickhouses://…
│   ├── StoreLocked             another process holds the embedded store; says which
│   ├── StoreUnreachable        no ClickHouse answers at the DSN
│   ├── MemoryShort             ClickHouse has not the memory that an insert takes
│   └── SchemaTooNew            written by a later Leyden; says both versions
├── QueryError
│   ├── QueryNotFound           no saved query of that name; says the near ones
│   ├── QueryRefused            asked for more than reading our tables; says which part
│   └── QueryFailed             ClickHouse refused the SQL; says why
├── SelectionEmpty              nothing in the store matches the selection
├── TraceNotFound               no span of that trace is stored
├── CallFailed
│   ├── CallRefused             a server answered, but not with success; says what it said
│   └── NoAnswer                no server answers at the URL, or not in time
└── OtlpInvalid                 bytes that are no OTLP export request; says where
"""

from typing import ClassVar


class LeydenError(Exception):
    """Base of every error Leyden raises on purpose. `str(error)` is one line a user can act on.

    exit_code: the command line's; 2 where what was asked makes no sense, whatever the store holds
    """

    exit_code: ClassVar[int] = 1


class StoreError(LeydenError):
    """The store cannot be opened or used."""


class DsnInvalid(StoreError):
    """The store's DSN cannot be understood."""

    exit_code = 2


class StoreLocked(StoreError):
    """Another process holds the embedded store and serves no gateway."""


class StoreUnreachable(StoreError):
    """No ClickHouse answers at the DSN."""


class MemoryShort(StoreError):
    """ClickHouse has not the memory that an insert takes; a smaller one may go in."""


class SchemaTooNew(StoreError):
    """The store's schema was written by a later Leyden."""


class QueryError(LeydenError):
    """A query cannot be run."""


class QueryNotFound(QueryError):
    """No saved query has that name."""


class QueryRefused(QueryError):
    """The query asks for more than reading our tables."""

    exit_code = 2


class QueryFailed(QueryError):
    """ClickHouse refused the SQL."""


class SelectionEmpty(LeydenError):
    """Nothing in the store matches the selection."""


class TraceNotFound(LeydenError):
    """No span of the trace is stored."""


class CallFailed(LeydenError):
    """A server that is asked for something does not give it."""


class CallRefused(CallFailed):
    """The server answered, but not with success.

    code: the HTTP status
    said: its message, or how its answer begins
    """

    def __init__(self, url: str, code: int, said: str) -> None:
        super().__init__(f"{url} answered {code}: {said}")
        self.code = code
        self.said = said


class NoAnswer(CallFailed):
    """No server answers at the URL, or not in time. reason: as the system says it."""

    def __init__(self, url: str, reason: object) -> None:
        super().__init__(f"nothing answers at {url}: {reason}")
        self.reason = reason


class OtlpInvalid(LeydenError):
    """The bytes are no OTLP export request."""

"""What a request to the gateway asks for: the query, wherever ClickHouse's clients put it, parameters and settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fastapi import Request

from leyden_collector.inflate import read_body
from leyden_store.errors import QueryRefused

MAX_QUERY_BYTES = 1 << 20
_MAX_FIELD_BYTES = 64 << 20
"""A form's field holds the query, or a parameter such as a list of ten thousand trace ids."""

_TRANSPORT = {
    "query", "default_format", "database", "user", "password", "session_id", "session_timeout", "session_check",
    "query_id", "compress", "decompress", "wait_end_of_query", "client_protocol_version", "enable_http_compression",
    "buffer_size", "send_progress_in_http_headers", "http_headers_progress_interval_ms", "quota_key", "role",
    "readonly", "http_zlib_compression_level", "add_http_cors_header", "cancel_http_readonly_queries_on_client_close",
    "stacktrace", "close_session", "client_info",
}  # fmt: skip
"""What clients send with every request and that concerns HTTP, not the engine."""

_INSERT = re.compile(
    rb"\s*(?P<statement>INSERT\s+INTO\s[^\n]+?)\s+FORMAT\s+(?P<format>\w+)[ \t]*;?[ \t]*(?:\r?\n|$)", re.IGNORECASE
)
_PIECE = re.compile(
    r"""(?P<word>\w+) | '(?:[^'\\]|\\.)*' | `(?:[^`\\]|\\.)*` | "(?:[^"\\]|\\.)*" | (?P<space>\s+|--[^\n]*|/\*.*?\*/)
      | .""",
    re.VERBOSE | re.DOTALL,
)
NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Asked:
    """One query.

    sql:           without its FORMAT
    output:        the format of its result
    parameters:    the values of `{name:Type}` in it
    settings:      of the engine, as the caller wants them
    read_only:     the caller asks for no more than reading, whatever its key is good for
    insert_format: "" unless it is an INSERT; `data` follows in that format
    """

    sql: str
    output: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    compressed: bool = False
    revision: int = 0
    insert_format: str = ""
    data: bytes = b""


async def read(request: Request, *, limit: int) -> Asked:
    """Read a request: GET or POST; the query in the URL, in a form or before the data in the body.

    Raises what `inflate.read_body` raises, and QueryRefused for what the gateway has no answer to.
    """
    given = dict(request.query_params)
    if "multipart/form-data" in request.headers.get("content-type", ""):
        async with request.form(max_part_size=min(limit, _MAX_FIELD_BYTES), max_files=10, max_fields=100) as form:
            given |= {name: value for name, value in form.items() if isinstance(value, str)}
        body = b""
    else:
        body = await read_body(request.stream(), request.headers.get("content-encoding", ""), limit=limit)
    if given.get("compress", "0") != "0" or given.get("decompress", "0") != "0":
        raise QueryRefused(
            "ClickHouse's own block compression is not spoken here; use enable_http_compression=1 with "
            "Accept-Encoding, and Content-Encoding for what you send"
        )
    if given.get("database", "") not in ("", "default"):
        raise QueryRefused(f"there is no database {given['database']!r} here: everything is in 'default'")
    query = given.get("query", "").encode()
    text = query + (b"\n" if query and body else b"") + body
    revision = given.get("client_protocol_version", "")
    asked = Asked(
        sql="",
        output=request.headers.get("x-clickhouse-format") or given.get("default_format") or "TabSeparated",
        parameters={name[6:]: value for name, value in given.items() if name.startswith("param_")},
        settings={n: v for n, v in given.items() if n not in _TRANSPORT and not n.startswith("param_")},
        read_only=given.get("readonly", "0") != "0",
        compressed=given.get("enable_http_compression", "0") != "0",
        revision=int(revision) if revision.isdecimal() and len(revision) < 10 else 0,
    )
    for name in (asked.output, *asked.settings):
        if not NAME.fullmatch(name):
            raise QueryRefused(f"{name!r} is no name of a format or a setting")
    if insert := _INSERT.match(text):
        statement, data_format = insert["statement"].decode(errors="replace"), insert["format"].decode()
        return replace(asked, sql=statement, insert_format=data_format, data=text[insert.end() :])
    sql, named = without_format(text.decode(errors="replace"))
    return replace(asked, sql=sql, output=named or asked.output)


def without_format(sql: str) -> tuple[str, str]:
    """A query without its FORMAT clause, and the format that it names, or ""."""
    words = [found for found in _PIECE.finditer(sql) if found["space"] is None and found[0] != ";"]
    for at in range(len(words) - 2, 0, -1):
        ends = at + 2 == len(words) or words[at + 2][0].lower() == "settings"
        if words[at][0].lower() == "format" and words[at + 1]["word"] and ends:
            return sql[: words[at].start()] + sql[words[at + 1].end() :], words[at + 1][0]
    return sql, ""

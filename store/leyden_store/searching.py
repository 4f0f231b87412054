"""Search: spans whose messages hold some words. With the text index it reads what matches, without it every message.

Words are runs of letters and digits, whatever their case; a span is found when it holds all of them. The text is that
of `Content` (messages, tool schemas, arguments and results, and whatever is long) and of events, where some conventions
put messages. Messages are JSON: `\\n` and its like part words, and letters written as `\\u00e9` are found too.
"""

from __future__ import annotations

import json
import re
from typing import Any

from leyden_store import sql
from leyden_store.cluster import part_of
from leyden_store.connection import Connection
from leyden_store.errors import QueryRefused
from leyden_store.listing import Page, following, page_of, read_cursor, windows

_INDEX = "idx_text"

_TEXT = (
    "lowerUTF8(replaceRegexpAll(concat(arrayStringConcat(mapValues(Content), ' '), ' ',"
    " arrayStringConcat(arrayMap(m -> arrayStringConcat(mapValues(m), ' '), Events.Attributes), ' ')),"
    " '\\\\\\\\[nrt\"]', ' '))"
)
"""What is searched, as SQL over `otel_traces`. The index is of this very expression, or ClickHouse does not use it."""


def search(
    connection: Connection,
    text: str,
    *,
    substring: bool = False,
    project: str = "",
    since_ns: int | None = None,
    until_ns: int | None = None,
    limit: int = 20,
    cursor: str = "",
) -> Page:
    """Spans that hold every word of `text`, the newest first; each has `trace_id, span_id, project, rollout_id,
    session_id, agent, model, name, operation, start_ns, snippet`.

    substring: find `text` as it stands, within words too (for scripts without spaces); no index helps there
    Raises QueryRefused when `text` has no word in it, or the cursor is none of ours.
    """
    before = read_cursor(cursor, int)
    forms = [text.lower()] if substring else _forms(text)
    parameters: dict[str, Any] = {f"form_{n}": form for n, form in enumerate(forms)}
    if substring:
        if not text.strip():
            raise QueryRefused("nothing to search for; give a word")
        condition = f"position({_TEXT}, {{form_0:String}}) > 0"
    else:
        condition = " OR ".join(f"hasAllTokens({_TEXT}, {{form_{n}:String}})" for n in range(len(forms)))
    asked = sql.query("search").replace("{text}", _TEXT).replace("{condition}", condition)
    given = {
        **parameters,
        "words": _words(text.lower()) or [text.lower()],
        "project": project,
        **following(before, limit + 1),
    }
    rows: list[dict[str, Any]] = []
    for low, last in windows(connection, since_ns, until_ns, before, table="otel_traces", column="Timestamp"):
        rows += connection.rows(asked, {**given, "low": low, "last": last})
        if len(rows) > limit:
            break
    return page_of(rows, limit, lambda row: (row["start_ns"], f"{row['trace_id']}{row['span_id']}"))


def index_on(connection: Connection) -> None:
    """Build the text index over what is stored and over all that comes. Takes as long as reading every message once."""
    if not has_index(connection):
        connection.ddl(
            f"ALTER TABLE otel_traces ADD INDEX IF NOT EXISTS {_INDEX} {_TEXT} TYPE text(tokenizer = 'splitByNonAlpha')"
        )
    connection.ddl(f"ALTER TABLE otel_traces MATERIALIZE INDEX {_INDEX} SETTINGS mutations_sync = 2")


def index_off(connection: Connection) -> None:
    """Drop the text index; searching works without."""
    connection.ddl(f"ALTER TABLE otel_traces DROP INDEX IF EXISTS {_INDEX} SETTINGS mutations_sync = 2")


def has_index(connection: Connection) -> bool:
    """Whether the text index is on."""
    return bool(_index_rows(connection))


def index_bytes(connection: Connection) -> int:
    """What the text index takes on disk."""
    return sum(row["bytes"] for row in _index_rows(connection))


def _index_rows(connection: Connection) -> list[dict[str, Any]]:
    return connection.rows(
        "SELECT toInt64(data_compressed_bytes) AS bytes"
        f" FROM {connection.of_every_node('system.data_skipping_indices')} WHERE database = currentDatabase()"
        " AND table IN {tables:Array(String)} AND name = {name:String}",
        {"tables": ["otel_traces", part_of("otel_traces")], "name": _INDEX},
    )


def _forms(text: str) -> list[str]:
    """The words as they may be written: as they are, and as JSON escapes them."""
    words = _words(text.lower())
    if not words:
        raise QueryRefused(f"there is no word in {text!r}; give a word, or --substring to find it as it stands")
    plain, escaped = " ".join(words), " ".join(_words(json.dumps(text.lower())))
    return [plain] if escaped == plain else [plain, escaped]


def _words(text: str) -> list[str]:
    """As ClickHouse's splitByNonAlpha parts them: ASCII signs part words, letters of any script belong to them."""
    return re.findall(r"[0-9a-z\u0080-\U0010ffff]+", text)

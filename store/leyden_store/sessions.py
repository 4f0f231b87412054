"""Sessions: conversations of several traces, as `session.id` and its like name them; listed from the summary."""

from __future__ import annotations

from typing import Any

from leyden_store import sql
from leyden_store.connection import Connection
from leyden_store.listing import HOURS, Page, following, page_of, read_cursor, windows


def list_sessions(
    connection: Connection,
    *,
    project: str = "",
    session: str = "",
    user: str = "",
    agent: str = "",
    since_ns: int | None = None,
    until_ns: int | None = None,
    limit: int = 100,
    cursor: str = "",
) -> Page:
    """The sessions that began last, as `leyden sessions --json` prints them; "" and None are no filter.

    Raises QueryRefused for a cursor that is none of ours.
    """
    before = read_cursor(cursor, int)
    given = {
        "project": project,
        "session": session,
        "user": user,
        "agent": agent,
        **following(before, limit + 1),
    }
    found: list[dict[str, Any]] = []
    # One session is looked for wherever it is; of others the newest are enough.
    for low, last in windows(connection, since_ns, until_ns, before, () if session else HOURS):
        found += connection.rows(sql.query("sessions"), {**given, "low": low, "last": last})
        if len(found) > limit:
            break
    return page_of(found, limit, lambda row: (row["start_ns"], f"{row['project']}\n{row['session_id']}"))

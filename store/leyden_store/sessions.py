"""Sessions: conversations of several traces, as `session.id` and its like name them; listed from the summary."""

from __future__ import annotations

from leyden_store import sql
from leyden_store.connection import Connection
from leyden_store.listing import Page, page_of, read_cursor

_END_NS = 2**63 - 1


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
    rows = connection.rows(
        sql.query("sessions"),
        {
            "project": project,
            "session": session,
            "user": user,
            "agent": agent,
            "since_ns": since_ns or 0,
            "last_ns": _END_NS if until_ns is None else until_ns - 1,
            "before_ns": before[0] if before else _END_NS,
            "before_id": before[1] if before else "",
            "limit": limit + 1,
        },
    )
    return page_of(rows, limit, lambda row: (row["start_ns"], f"{row['project']}\n{row['session_id']}"))

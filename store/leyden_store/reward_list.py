"""Lists of rewards: every score there is, of spans and from outside, the newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Iterable

from leyden_store import sql
from leyden_store.connection import Connection
from leyden_store.listing import Page, following, page_of, read_cursor


def list_rewards(
    connection: Connection,
    *,
    rollout: str = "",
    trace: str = "",
    name: str = "",
    source: str = "",
    project: str = "",
    limit: int = 100,
    cursor: str = "",
) -> Page:
    """The newest rewards; "" is no filter. A reward given from outside is of its rollout's or trace's project.

    Each has `project, rollout_id, trace_id, span_id, response_id, name, source, value, label, explanation, time_ns`.
    Raises QueryRefused for a cursor that is none of ours.
    """
    before = read_cursor(cursor, int)
    rows = connection.rows(
        sql.query("reward_list"),
        {
            "rollout": rollout,
            "trace": trace,
            "name": name,
            "source": source,
            "project": project,
            **following(before, limit + 1),
        },
    )
    page = page_of(rows, limit, lambda row: (row["time_ns"], row["key"]))
    return Page([{name: value for name, value in row.items() if name != "key"} for row in page.rows], page.cursor)


def of_other_projects(
    connection: Connection, project: str, *, rollouts: Iterable[str], traces: Iterable[str]
) -> list[str]:
    """Which of these rollouts and traces are stored in other projects than `project`."""
    rows = connection.rows(
        "SELECT DISTINCT if(RolloutId IN {rollouts:Array(String)}, RolloutId, TraceId) AS id FROM traces"
        " WHERE Project != {project:String}"
        " AND (RolloutId IN {rollouts:Array(String)} OR TraceId IN {traces:Array(String)}) ORDER BY id",
        {
            "project": project,
            "rollouts": sorted({rollout for rollout in rollouts if rollout}),
            "traces": sorted({trace for trace in traces if trace}),
        },
    )
    return [row["id"] for row in rows]

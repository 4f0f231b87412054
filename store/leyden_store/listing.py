"""Lists of traces: the newest first, filtered, a page at a time, from the summary `traces` alone.

A page is found from the newest hour backwards, in windows that grow until they hold enough: what is asked for most, the
latest traces, then costs the same however much the store holds. A trace is found by what any of its hours says.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from leyden_store import sql
from leyden_store.connection import READ_ONLY, Connection, Settings
from leyden_store.errors import QueryRefused
from leyden_store.guard import quoted
from leyden_store.selection import EVERYTHING, Selection

HOUR_NS = 3600 * 10**9
HOURS = (1, 6, 48, 14 * 24)
"""How long the windows are."""
_HOURS_OF_FEW = (3, 12, 48, 14 * 24)
"""The same for what few traces are, failed ones: the newest hour has no page of them."""
END_NS = 2**63 - 1
_IN_WINDOW = (
    "Hour >= toStartOfHour(fromUnixTimestamp64Nano({low:Int64})) AND Hour <= fromUnixTimestamp64Nano({later:Int64})"
)
"""Rows that a trace of the window can have, as in trace_candidates.sql: what a filter looks at, not the whole store."""
_LATER_NS = 7 * 24 * HOUR_NS
"""How long after its window a trace's rows are looked for: what runs longer is found, but as if it took so long."""


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """Which traces; "" and None are no filter, and all that are given must hold.

    agent, model: one of the trace's; session, user, rollout, group, project: the trace's own
    status: "error" has a span that failed, "ok" has none
    since_ns, until_ns: Unix nanoseconds between which it began (until not included)
    min_ns, max_ns: how long it took
    reward, min_reward, max_reward: a score of that name ("" any) on the trace or its rollout, between these, included
    selection: only of these
    """

    project: str = ""
    agent: str = ""
    model: str = ""
    session: str = ""
    user: str = ""
    rollout: str = ""
    group: str = ""
    status: Literal["", "ok", "error"] = ""
    since_ns: int | None = None
    until_ns: int | None = None
    min_ns: int | None = None
    max_ns: int | None = None
    reward: str = ""
    min_reward: float | None = None
    max_reward: float | None = None
    selection: Selection = field(default_factory=Selection)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows; `cursor` asks for those that follow, "" when there are none."""

    rows: list[dict[str, Any]]
    cursor: str = ""


def list_traces(
    connection: Connection,
    chosen: TraceFilter,
    *,
    limit: int = 100,
    cursor: str = "",
    settings: Settings = READ_ONLY,
) -> Page:
    """The newest traces, as `leyden traces --json` prints them. A page's cursor holds while traces come in: none is
    given twice, none is left out. `settings` are those that the filter's selection needs.
    Raises QueryRefused for a cursor that is none of ours.
    """
    before = read_cursor(cursor, int)
    found: list[dict[str, Any]] = []
    for candidates in _candidates(connection, chosen, before, limit + 1, settings):
        rows = {row["trace_id"]: row for row in _summaries(connection, [trace for trace, _ in candidates], settings)}
        # A trace that began before its window is met again in the window where it began.
        found += [rows[trace] for trace, start in candidates if rows[trace]["start_ns"] == start]
        if len(found) > limit:
            break
    return page_of(found, limit, lambda row: (row["start_ns"], row["trace_id"]))


def following(before: tuple[int, str] | None, limit: int) -> dict[str, Any]:
    """The parameters of a query for `limit` rows that follow a place in a list by time; None is before the first."""
    return {
        "before_ns": before[0] if before else END_NS,
        "before_id": before[1] if before else "",
        "limit": limit,
    }


def page_of(rows: list[dict[str, Any]], limit: int, key: Callable[[Mapping[str, Any]], tuple[Any, str]]) -> Page:
    """The first `limit` of some rows; where there are more, a cursor made of the last one's `key`."""
    page = rows[:limit]
    return Page(page, write_cursor(*key(page[-1])) if page and len(rows) > limit else "")


def write_cursor(*key: Any) -> str:
    """A row's place in its list, as text that goes into a URL."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def read_cursor(cursor: str, kind: type) -> tuple[Any, str] | None:
    """The place that `write_cursor` wrote: a `kind` and an id; None of "". Raises QueryRefused."""
    if not cursor:
        return None
    try:
        value, key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, binascii.Error) as error:
        raise QueryRefused("that is no cursor of this list; begin again without one") from error
    if type(value) is not kind or not isinstance(key, str):
        raise QueryRefused("that is no cursor of this list; begin again without one")
    return value, key


def _candidates(
    connection: Connection, chosen: TraceFilter, before: tuple[int, str] | None, wanted: int, settings: Settings
) -> Iterator[list[tuple[str, int]]]:
    """Trace ids and where they begin as far as a window shows, newest first, in pieces of at most `wanted`."""
    conditions, of_trace, parameters = _conditions(chosen)
    text = sql.query("trace_candidates").replace("{conditions}", conditions).replace("{of_trace}", of_trace)
    selective = chosen.session or chosen.user or chosen.rollout or chosen.selection.sql != EVERYTHING
    hours = () if selective else _HOURS_OF_FEW if chosen.status == "error" else HOURS
    for low, last in windows(connection, chosen.since_ns, chosen.until_ns, before, hours):
        while True:
            bounds = {
                "low": low,
                "last": last,
                "later": min(last + _LATER_NS, END_NS),
                "min_ns": chosen.min_ns or 0,
                "max_ns": END_NS if chosen.max_ns is None else chosen.max_ns,
            }
            rows = connection.rows(text, {**parameters, **bounds, **following(before, wanted)}, settings)
            if rows:
                yield [(row["trace_id"], row["start_ns"]) for row in rows]
            if len(rows) < wanted:
                break
            before = (rows[-1]["start_ns"], rows[-1]["trace_id"])


def windows(
    connection: Connection,
    since_ns: int | None,
    until_ns: int | None,
    before: tuple[int, str] | None,
    hours: Sequence[int] = HOURS,
    *,
    table: str = "traces",
    column: str = "Hour",
) -> Iterator[tuple[int, int]]:
    """Times to look at one after the other, the newest first, as (first, last) in Unix nanoseconds.

    since_ns, until_ns: nothing before the one, nothing from the other on
    before: where the page before ended
    hours: how long the first are; then comes all that is left, in one
    column: says when the table's rows were
    """
    (span,) = connection.rows(
        f"SELECT toUnixTimestamp(max({column})) AS newest, toUnixTimestamp(min({column})) AS oldest, count() AS rows"
        f" FROM {table}"
    )
    # In a store that holds nothing, what selects is run all the same: it may be wrong.
    if not span["rows"] and hours:
        return
    newest, last = span["newest"] * 10**9, END_NS
    bottom = max(span["oldest"] * 10**9, since_ns or 0)
    for bound in (until_ns - 1 if until_ns is not None else None, before[0] if before else None):
        last = last if bound is None else min(last, bound)
    for count in (*hours, None):
        from_hour = min(last, newest) // HOUR_NS * HOUR_NS
        low = bottom if count is None else max(bottom, from_hour - (count - 1) * HOUR_NS)
        if low <= last:
            yield low, last
        last = min(last, low - 1)


def _conditions(chosen: TraceFilter) -> tuple[str, str, dict[str, Any]]:
    """What rows of the summary must meet, and what a trace's rows together, as SQL; the parameters of both.

    What few traces have is a set of their ids, which the key and the index find; what many have is seen on the way.
    """
    parameters: dict[str, Any] = dict(chosen.selection.parameters)
    found: list[str] = []
    of_trace: list[str] = []
    for name, project in (("of_project", chosen.project), ("of_selection", chosen.selection.project)):
        if project:
            found.append(f"Project = {{{name}:String}}")
            parameters[name] = project
    for name, value, condition in (
        ("of_agent", chosen.agent, "has(Agents, {of_agent:String}) OR AgentName = {of_agent:String}"),
        ("of_model", chosen.model, "has(Models, {of_model:String})"),
    ):
        if value:
            of_trace.append(f"max({condition})")
            parameters[name] = value
    if chosen.status:
        of_trace.append("max(HasError)" if chosen.status == "error" else "NOT max(HasError)")
    for name, value, condition in (
        ("of_session", chosen.session, "SessionId = {of_session:String}"),
        ("of_user", chosen.user, "UserId = {of_user:String}"),
        ("of_rollout", chosen.rollout, "RolloutId = {of_rollout:String}"),
        ("of_group", chosen.group, "GroupId = {of_group:String}"),
    ):
        if value:
            found.append(f"TraceId IN (SELECT TraceId FROM traces WHERE {_IN_WINDOW} AND ({condition}))")
            parameters[name] = value
    if chosen.reward or chosen.min_reward is not None or chosen.max_reward is not None:
        found.append(f"TraceId IN ({sql.query('rewarded_traces')})")
        parameters |= {
            "reward": chosen.reward,
            "min_reward": float("-inf") if chosen.min_reward is None else chosen.min_reward,
            "max_reward": float("inf") if chosen.max_reward is None else chosen.max_reward,
        }
    if chosen.selection.sql != EVERYTHING:
        found.append(f"TraceId IN ({chosen.selection.trace_ids})")
    return " AND ".join(found or ["true"]), " AND ".join(of_trace or ["true"]), parameters


def _summaries(connection: Connection, trace_ids: list[str], settings: Settings) -> list[dict[str, Any]]:
    # Written out: as a parameter they would be a set that the engine fills by a query of its own, 8 ms.
    text = sql.query("traces").replace("{trace_ids}", ", ".join(map(quoted, trace_ids)))
    return connection.rows(text, {"limit": len(trace_ids)}, settings)

"""Lists of traces, sessions and search: filters, pages, and each thing once."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from leyden_store import searching
from leyden_store.errors import QueryRefused
from leyden_store.lightning import LightningStore
from leyden_store.listing import TraceFilter
from leyden_store.selection import Selection
from leyden_store.spans import Span
from leyden_store.turns import PostedReward
from tests.support.otlp_making import DAY_NS, NOW_NS, chat, make, put

HOUR_NS = DAY_NS // 24


def pages(store: LightningStore, chosen: TraceFilter, limit: int) -> list[list[str]]:
    found, cursor = [], ""
    while True:
        page = store.list_traces(chosen, limit=limit, cursor=cursor)
        found.append([row["trace_id"] for row in page.rows])
        cursor = page.cursor
        if not cursor:
            return found


def test_pages_give_every_trace_once_newest_first(store: LightningStore) -> None:
    """Traces over minutes, hours and months; several at the same moment; some go on for days."""
    random = Random(3)
    spans = []
    for trace in range(1, 121):
        at = NOW_NS - random.choice((0, 60 * 10**9, 5 * HOUR_NS, 90 * DAY_NS)) - random.randrange(20) * HOUR_NS // 7
        spans.append(make(1, trace=trace, at_ns=at))
        if trace % 5 == 0:
            spans.append(make(2, trace=trace, parent=1, at_ns=at + random.choice((1, 30)) * HOUR_NS))
        if trace % 17 == 0:
            spans.append(make(3, trace=trace, parent=1, at_ns=at + 20 * DAY_NS))
    put(store, spans, spans[:50])
    began: dict[str, int] = {}
    for span in spans:
        began[span.trace_id] = min(began.get(span.trace_id, span.start_ns), span.start_ns)
    wanted = sorted(began, key=lambda trace: (-began[trace], trace))
    assert [t for page in pages(store, TraceFilter(), 7) for t in page] == wanted
    assert pages(store, TraceFilter(), 500) == [wanted]
    assert [row["trace_id"] for row in store.traces(limit=500)] == wanted
    window = TraceFilter(since_ns=NOW_NS - DAY_NS, until_ns=NOW_NS - HOUR_NS)
    inside = [t for t in wanted if NOW_NS - DAY_NS <= began[t] < NOW_NS - HOUR_NS]
    assert [t for page in pages(store, window, 4) for t in page] == inside
    assert inside


def test_a_page_of_nothing_is_empty(store: LightningStore) -> None:
    put(store, [chat(1, session_id="s")])
    assert store.traces(limit=0) == store.search("hello", limit=0).rows == store.list_sessions(limit=0).rows == []
    assert store.preview(Selection(), limit=0) == {"traces": 1, "rollouts": 1, "llm_spans": 1, "first": []}


def test_a_page_holds_while_traces_come_in(store: LightningStore) -> None:
    put(store, [make(1, trace=n, at_ns=NOW_NS + n * 10**9) for n in range(1, 11)])
    first = store.list_traces(limit=4)
    put(store, [make(1, trace=n, at_ns=NOW_NS + n * 10**9) for n in range(11, 20)])
    second = store.list_traces(limit=4, cursor=first.cursor)
    assert [int(r["trace_id"], 16) for r in first.rows + second.rows] == [10, 9, 8, 7, 6, 5, 4, 3]


@pytest.mark.parametrize("cursor", ["nonsense", "W10", "WyJhIiwgImIiXQ", "é"])
def test_what_is_no_cursor_is_refused(store: LightningStore, cursor: str) -> None:
    put(store, [make(1)])
    with pytest.raises(QueryRefused, match="no cursor"):
        store.list_traces(cursor=cursor)


def filtered(store: LightningStore, **asked: object) -> str:
    return "".join(row["trace_id"][-1] for row in store.list_traces(TraceFilter(**asked)).rows)  # type: ignore[arg-type]


def test_filters_choose_by_what_any_span_says(store: LightningStore) -> None:
    def tree(trace: int, seconds: int, **rest: Any) -> list[Span]:
        at = NOW_NS + trace * 10**10
        root = make(1, trace=trace, at_ns=at, end_ns=at + seconds * 10**9, **rest)
        return [root, chat(2, trace=trace, parent=1, at_ns=at)]

    put(
        store,
        tree(1, 1, rollout_id="r1", session_id="s1", user_id="u1", group_id="g"),
        tree(2, 5, rollout_id="r2", session_id="s1", project="p", group_id="g"),
        tree(3, 9, attributes={"gen_ai.agent.name": "helper"}, status="Error"),
        [make(9, trace=3, parent=1, at_ns=NOW_NS + 2 * HOUR_NS, attributes={"gen_ai.agent.name": "later"})],
        [chat(2, trace=4, at_ns=NOW_NS + 4 * 10**10, attributes={"gen_ai.request.model": "big"})],
    )
    store.add_rewards([PostedReward("reward", 1.0, rollout_id="r1"), PostedReward("style", 0.2, trace_id=f"{4:032x}")])
    assert filtered(store) == "4321"
    assert filtered(store, project="p") == "2"
    assert filtered(store, agent="helper") == filtered(store, agent="later") == "3"
    assert filtered(store, model="tiny") == "321"
    assert filtered(store, model="big") == "4"
    assert filtered(store, session="s1") == "21"
    assert filtered(store, user="u1") == "1"
    assert filtered(store, rollout="r2") == "2"
    assert filtered(store, group="g", min_ns=2 * 10**9) == "2"
    assert filtered(store, status="error") == "3"
    assert filtered(store, status="ok") == "421"
    assert filtered(store, min_ns=4 * 10**9, max_ns=6 * 10**9) == "2"
    assert filtered(store, reward="reward") == "1"
    assert filtered(store, min_reward=0.1, max_reward=0.5) == "4"
    assert filtered(store, selection=store.select(where="SpanName = 'span 9'")) == "3"
    assert filtered(store, agent="nobody") == ""


def test_pages_give_every_session_once_by_its_first_trace_however_long_it_goes_on(store: LightningStore) -> None:
    random = Random(5)
    began: dict[str, int] = {}
    traces: dict[str, int] = {}
    spans = []
    for trace in range(1, 91):
        session = f"s{random.randrange(30)}"
        at = (
            NOW_NS
            - random.choice((0, 60 * 10**9, 5 * HOUR_NS, 3 * DAY_NS, 90 * DAY_NS))
            - random.randrange(9) * HOUR_NS
        )
        spans.append(make(1, trace=trace, at_ns=at, session_id=session))
        began[session] = min(began.get(session, at), at)
        traces[session] = traces.get(session, 0) + 1
    put(store, spans, spans[:30])
    wanted = sorted(began, key=lambda session: (-began[session], session))
    found, cursor = [], ""
    while True:
        page = store.list_sessions(limit=4, cursor=cursor)
        found += page.rows
        cursor = page.cursor
        if not cursor:
            break
    assert [row["session_id"] for row in found] == wanted
    assert {row["session_id"]: row["traces"] for row in found} == traces
    since, until = NOW_NS - 4 * DAY_NS, NOW_NS - HOUR_NS
    inside = [session for session in wanted if since <= began[session] < until]
    assert [row["session_id"] for row in store.list_sessions(since_ns=since, until_ns=until).rows] == inside
    assert [row["session_id"] for row in store.list_sessions(session=wanted[-1]).rows] == wanted[-1:]


def test_sessions_are_listed_by_page(store: LightningStore) -> None:
    spans = []
    for n in range(1, 10):
        who = {"session_id": f"s{n % 3}", "user_id": "u" if n % 3 else "", "status": "Error" if n == 4 else "Ok"}
        spans.append(make(1, trace=n, at_ns=NOW_NS + n * 10**9, **who))  # type: ignore[arg-type]
    put(store, spans, spans[:4], [make(1, trace=99)])
    first = store.list_sessions(limit=2)
    rest = store.list_sessions(limit=2, cursor=first.cursor)
    rows = first.rows + rest.rows
    assert [row["session_id"] for row in rows] == ["s0", "s2", "s1"]
    assert [row["traces"] for row in rows] == [3, 3, 3]
    assert [row["traces_with_errors"] for row in rows] == [0, 0, 1]
    assert rest.cursor == ""
    assert [row["session_id"] for row in store.list_sessions(user="u").rows] == ["s2", "s1"]
    assert len(store.list_traces(TraceFilter(session="s1")).rows) == 3


@pytest.mark.parametrize("indexed", [False, True], ids=["scan", "index"])
def test_search_finds_words_in_messages(store: LightningStore, indexed: bool) -> None:
    said = {1: "The Lighthouse\\nkeeper sleeps", 2: "caf\\u00e9 open", 3: "Café au lait", 4: "東京タワー", 5: "keeper"}
    spans = [chat(n, trace=n, said=text, at_ns=NOW_NS + n * 10**9) for n, text in said.items()]
    put(store, spans[:2])
    if indexed:
        searching.index_on(store.connection)
        searching.index_on(store.connection)
    put(store, spans, [replace(s, start_ns=s.start_ns + 1) for s in spans[:1]])
    assert searching.has_index(store.connection) is indexed

    def found(text: str, **rest: object) -> str:
        return "".join(row["trace_id"][-1] for row in store.search(text, **rest).rows)  # type: ignore[arg-type]

    assert found("keeper") == "51"
    assert found("LIGHTHOUSE keeper") == "1"
    assert found("light") == ""
    assert found("light", substring=True) == "1"
    assert found("café") == "32"
    assert found("東京", substring=True) == "4"
    assert found("tiny nowhere") == ""
    page = store.search("keeper", limit=1)
    assert page.rows[0]["trace_id"][-1] == "5"
    assert [r["trace_id"][-1] for r in store.search("keeper", limit=1, cursor=page.cursor).rows] == ["1"]
    assert "keeper" in page.rows[0]["snippet"]
    with pytest.raises(QueryRefused, match="no word"):
        store.search("!?")
    searching.index_off(store.connection)
    assert found("keeper") == "51"


def test_pages_of_a_search_give_every_span_once_newest_first(store: LightningStore) -> None:
    """Spans over minutes, hours and months; some are sent twice, and most say other things."""
    random = Random(7)
    spans = [
        chat(
            n,
            trace=n,
            said="a lighthouse" if n % 3 else "a harbour",
            at_ns=NOW_NS - random.choice((0, 60 * 10**9, 5 * HOUR_NS, 90 * DAY_NS)) - n * HOUR_NS // 9,
        )
        for n in range(1, 61)
    ]
    put(store, spans, spans[:20])
    wanted = [span.span_id for span in sorted(spans, key=lambda s: -s.start_ns) if int(span.span_id, 16) % 3]
    found, cursor = [], ""
    while True:
        page = store.search("lighthouse", limit=7, cursor=cursor)
        found += [row["span_id"] for row in page.rows]
        cursor = page.cursor
        if not cursor:
            break
    assert found == wanted
    inside = store.search("lighthouse", since_ns=NOW_NS - DAY_NS, until_ns=NOW_NS - HOUR_NS, limit=100).rows
    assert [row["start_ns"] for row in inside] == sorted(
        (s.start_ns for s in spans if s.span_id in wanted and NOW_NS - DAY_NS <= s.start_ns < NOW_NS - HOUR_NS),
        reverse=True,
    )
    assert inside

"""The LightningStore: every span once however it came, selections, rewards, and SQL that can only read."""

from __future__ import annotations

from random import Random

import pytest

from leyden_store.errors import QueryFailed, QueryRefused, SelectionEmpty, TraceNotFound
from leyden_store.lightning import LightningStore
from leyden_store.saved_queries import SavedQueries
from leyden_store.selection import Selection
from leyden_store.spans import Event, Span
from leyden_store.turns import PostedReward
from tests.support.otlp_making import DAY_NS, NOW_NS, chat, make, put


def tree(trace: int = 1, **rest: object) -> list[Span]:
    """A root, an LLM call and a tool that failed."""
    return [
        make(1, trace=trace, name="agent", **rest),
        chat(2, trace=trace, parent=1, **rest),
        make(3, trace=trace, parent=1, status="Error", **rest),
    ]


def test_a_span_sent_twice_is_there_once(store: LightningStore) -> None:
    spans = [span for trace in range(1, 6) for span in tree(trace, rollout_id=f"r{trace}")]
    shuffled = Random(1).sample(spans, len(spans))
    put(store, spans, spans, shuffled[:7], shuffled, [shuffled[0]], reversed(spans))
    assert sorted(s.span_id + s.trace_id for s in store.spans()) == sorted(s.span_id + s.trace_id for s in spans)
    assert len(list(store.turns())) == 5
    assert {(t["spans"], t["llm_spans"], t["errors"]) for t in store.traces()} == {(3, 1, 1)}
    assert store.stats()["spans"] == 15
    assert sum(len(table) for table in store.span_tables()) == 15
    store.compact()
    assert store.sql("SELECT count() AS n FROM otel_traces").to_pylist() == [{"n": 15}]
    assert {(t["spans"], t["llm_spans"], t["errors"]) for t in store.traces()} == {(3, 1, 1)}


def test_a_trace_over_hours_and_days_is_one_row_and_one_tree(store: LightningStore) -> None:
    put(
        store,
        [make(2, parent=1, at_ns=NOW_NS + 2 * DAY_NS)],
        [make(3, parent=1, at_ns=NOW_NS + 9 * DAY_NS)],
        [make(1, name="root")],
    )
    (row,) = store.traces()
    assert (row["spans"], row["name"]) == (3, "root")
    assert row["end_ns"] - row["start_ns"] > 9 * DAY_NS
    assert len(store.trace(row["trace_id"]).spans) == 3


def test_traces_come_newest_first_and_limited(store: LightningStore) -> None:
    put(store, [make(1, trace=n, at_ns=NOW_NS + n * 10**9) for n in (3, 1, 2)])
    assert [t["trace_id"][-1] for t in store.traces()] == ["3", "2", "1"]
    assert [t["trace_id"][-1] for t in store.traces(limit=1)] == ["3"]


def test_a_trace_is_found_by_the_beginning_of_its_id(store: LightningStore) -> None:
    put(store, [Span("ab" * 16, "1" * 16, "a", 1, 2), Span("ac" + "0" * 30, "1" * 16, "b", 1, 2)])
    assert store.trace("AB").spans[0].name == "a"
    with pytest.raises(TraceNotFound, match="2 traces begin with 'a'"):
        store.trace("a")
    with pytest.raises(TraceNotFound, match="no span of trace 'ff' is stored"):
        store.trace("ff")


def test_rollouts_are_read_in_batches_and_none_is_lost_between_them(store: LightningStore) -> None:
    """More rollouts than a batch holds, some of several traces far apart in time."""
    spans = [chat(1, trace=n + 1, rollout_id=f"r{n % 400}", at_ns=NOW_NS + n * 10**9) for n in range(700)]
    put(store, spans)
    read = list(store.rollouts())
    assert sorted(r.rollout_id for r in read) == sorted({s.rollout_id for s in spans})
    assert sum(len(r.turns) for r in read) == 700
    assert {len(r.turns) for r in read if int(r.rollout_id[1:]) < 300} == {2}


def test_a_where_chooses_traces_whole(store: LightningStore) -> None:
    put(store, tree(1, service="a"), tree(2, service="b"))
    chosen = store.select(where="ServiceName = 'a' AND StatusCode = 'Error'")
    assert {s.trace_id[-1] for s in store.spans(chosen)} == {"1"}
    assert len(list(store.spans(chosen))) == 3


def test_a_where_may_end_in_a_comment_or_hold_any_operator(store: LightningStore) -> None:
    put(store, tree(1))
    assert len(store.traces(store.select(where="SpanName = 'agent' OR 0 -- why not"))) == 1


def test_a_saved_query_by_span_chooses_turns(store: LightningStore) -> None:
    put(store, [make(1), chat(2, parent=1, said="one"), chat(3, parent=1, said="two")])
    store.queries.save("second", "SELECT TraceId, SpanId FROM otel_traces WHERE SpanId = '0000000000000003'")
    assert [t.response["content"] for t in store.turns(store.select(query="second")) if t.response] == ["two"]


def test_what_matches_nothing_is_said(store: LightningStore) -> None:
    put(store, tree())
    with pytest.raises(SelectionEmpty, match="no trace matches"):
        list(store.rollouts(store.select(where="ServiceName = 'nobody'")))
    assert store.traces(store.select(where="0")) == []
    assert list(store.spans(store.select(where="0"))) == []


@pytest.mark.parametrize("where", ["nope = 1", "1) OR (", "SELECT", "1; DROP TABLE otel_traces", "('"])
def test_a_where_that_clickhouse_does_not_take_is_one_line(store: LightningStore, where: str) -> None:
    with pytest.raises((QueryFailed, QueryRefused)) as caught:
        store.traces(store.select(where=where))
    assert "\n" not in str(caught.value)
    assert store.stats()["spans"] == 0


def test_spans_carry_rewards_of_rollouts_and_turns(store: LightningStore) -> None:
    def event(score: float, name: str = "reward") -> Event:
        return Event(
            NOW_NS, "gen_ai.evaluation.result", {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": score}
        )

    put(store, [make(1, events=(event(0.5), event(0.0, "style"))), chat(2, parent=1, events=(event(-1.0),))])
    (rollout,) = store.rollouts()
    assert {r.name: r.value for r in rollout.rewards} == {"reward": 0.5, "style": 0.0}
    assert rollout.turns[0].rewards == {"reward": -1.0}
    rows = store.sql("SELECT Name, Value, Source FROM rewards FINAL ORDER BY Value").to_pylist()
    assert [(r["Name"], r["Value"], r["Source"]) for r in rows] == [
        ("reward", -1.0, "span"), ("style", 0.0, "span"), ("reward", 0.5, "span"),
    ]  # fmt: skip


def test_posted_rewards_reach_their_rollout_or_turn(store: LightningStore) -> None:
    put(store, [make(1, rollout_id="r"), chat(2, parent=1, rollout_id="r"), chat(3, parent=1, rollout_id="r")])
    stored = store.add_rewards(
        [
            PostedReward("reward", 1.0, rollout_id="r"),
            PostedReward("good", 0.25, trace_id=f"{1:032x}", span_id=f"{2:016x}"),
            PostedReward("said", 0.75, response_id="resp-1-3", rollout_id="r"),
        ]
    )
    assert stored == 3
    (rollout,) = store.rollouts()
    assert rollout.reward() == 1.0
    assert [dict(t.rewards) for t in rollout.turns] == [{"good": 0.25}, {"said": 0.75}]


def test_a_reward_by_the_replys_id_alone_reaches_its_turn(store: LightningStore) -> None:
    put(store, [make(1, rollout_id="r"), chat(2, parent=1, rollout_id="r")])
    store.add_rewards([PostedReward("said", 0.75, response_id="resp-1-2")])
    (rollout,) = store.rollouts()
    assert dict(rollout.turns[0].rewards) == {"said": 0.75}


def test_a_reward_for_a_trace_of_no_rollout_reaches_it(store: LightningStore) -> None:
    put(store, [make(1), chat(2, parent=1)])
    store.add_rewards([PostedReward("reward", 0.5, trace_id=f"{1:032x}")])
    (rollout,) = store.rollouts()
    assert rollout.reward() == 0.5


def test_the_newest_reward_of_a_name_wins_and_is_one(store: LightningStore) -> None:
    put(store, tree(rollout_id="r"))
    for value in (0.1, 0.9, 0.4):
        store.add_rewards([PostedReward("reward", value, rollout_id="r")])
    (rollout,) = store.rollouts()
    assert [(r.value, r.source) for r in rollout.rewards] == [(0.4, "api")]
    assert store.stats()["rewards"] == 1


def test_a_reward_may_come_before_its_spans(store: LightningStore) -> None:
    store.add_rewards([PostedReward("reward", 1.0, rollout_id="r")])
    put(store, tree(rollout_id="r"))
    (rollout,) = store.rollouts()
    assert rollout.reward() == 1.0


def test_sql_reads(store: LightningStore) -> None:
    put(store, tree())
    found = store.sql("SELECT SpanName FROM otel_traces WHERE StatusCode = {s:String} ORDER BY 1", {"s": "Error"})
    assert found.to_pylist() == [{"SpanName": "span 3"}]
    assert len(store.sql("WITH x AS (SELECT 1 AS a) SELECT a FROM x UNION ALL SELECT 2")) == 2


def test_reading_does_not_keep_the_store_from_being_written(store: LightningStore) -> None:
    """An embedded handle that was read-only once stays so: readers and writers must not share one."""
    for _ in range(6):
        store.sql("SELECT 1")
        store.add_rewards([PostedReward("reward", 1.0, rollout_id="r")])
    store.compact()


@pytest.mark.parametrize(
    "escape", ["file('/etc/hostname') != ''", "TraceId IN (SELECT * FROM url('http://127.0.0.1:1/'))"]
)
def test_neither_a_where_nor_a_saved_query_reaches_out(store: LightningStore, escape: str) -> None:
    with pytest.raises(QueryRefused):
        store.traces(store.select(where=escape))
    with pytest.raises(QueryRefused):
        list(store.rollouts(store.select(where=escape)))
    with pytest.raises(QueryRefused):
        store.queries.save("bad", Selection.where(escape).sql)
    assert SavedQueries(store.connection).all() == []

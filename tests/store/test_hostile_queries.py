"""A saved query can do nothing but read the store's own tables; the rest is refused, and it says why."""

from __future__ import annotations

import pytest

from leyden_store.errors import QueryFailed, QueryRefused
from leyden_store.lightning import LightningStore
from leyden_store.query_parameters import parameters_of
from leyden_store.select_check import check_select
from leyden_store.selection import Selection
from tests.support.hostile import HOSTILE
from tests.support.otlp_making import make, put

ONE_TRACE = f"{1:032x}"


def test_there_are_fifty() -> None:
    assert len(set(HOSTILE)) >= 50


@pytest.mark.parametrize("sql", HOSTILE)
def test_a_hostile_query_is_refused_in_one_line(sql: str) -> None:
    with pytest.raises(QueryRefused) as caught:
        check_select(sql)
    assert "\n" not in str(caught.value)


def test_no_hostile_query_is_saved_run_or_selected_by(store: LightningStore) -> None:
    put(store, [make(1)])
    for sql in HOSTILE:
        with pytest.raises(QueryRefused):
            store.queries.save("q", sql)
        with pytest.raises(QueryRefused):
            store.select(sql=sql)
        with pytest.raises(QueryRefused):
            Selection(sql)
        with pytest.raises(QueryRefused):
            store.select(where=f"TraceId IN ({sql}\n)")
    assert store.queries.all() == []
    assert store.stats()["spans"] == 1


FINE = [
    "SELECT DISTINCT TraceId FROM otel_traces WHERE Model ILIKE '%gpt%' AND Timestamp > now() - INTERVAL 7 DAY",
    "WITH slow AS (SELECT TraceId FROM traces WHERE End - Start > 5) SELECT TraceId FROM slow",
    "SELECT TraceId FROM rewards GROUP BY TraceId HAVING argMin(Value, Timestamp) > 0.5 AND min(Value) > 0",
    "SELECT TraceId, SpanId FROM otel_traces WHERE Operation = 'chat' LIMIT 2 BY TraceId",
    "SELECT TraceId FROM otel_traces WHERE TraceId IN (SELECT TraceId FROM rewards) AND domain('http://a') = 'a'",
    "SELECT TraceId FROM otel_traces WHERE mapExists((k, v) -> v = 'file(', SpanAttributes) -- url('x')",
    "SELECT t.TraceId FROM otel_traces AS t FINAL INNER JOIN traces USING (TraceId)",
    "SELECT TraceId FROM otel_traces WHERE ServiceName = {service:String} AND StatusCode IN ('Error', 'Ok')",
    "(SELECT TraceId FROM traces) UNION DISTINCT (SELECT TraceId FROM otel_traces)",
    "SELECT argMax(TraceId, Timestamp) AS TraceId FROM otel_traces GROUP BY GroupId ORDER BY rand() LIMIT 5",
]


@pytest.mark.parametrize("sql", FINE)
def test_what_only_reads_is_let_by(sql: str) -> None:
    check_select(sql)


def test_what_is_let_by_runs(store: LightningStore) -> None:
    put(store, [make(1)])
    for sql in FINE:
        names = {parameter.name: "a" for parameter in parameters_of(sql)}
        selection = store.select(sql=sql, parameters=names)
        store.traces(selection)


def test_another_projects_rows_are_not_read(store: LightningStore) -> None:
    put(store, [make(1, trace=1, project="mine"), make(1, trace=2, project="theirs")])
    everything = "SELECT DISTINCT TraceId FROM otel_traces"
    assert len(store.traces(store.select(sql=everything))) == 2
    for sql in (
        everything,
        "SELECT TraceId FROM traces WHERE Project = 'theirs' OR 1",
        "SELECT TraceId FROM otel_traces UNION ALL SELECT TraceId FROM traces",
        "WITH t AS (SELECT * FROM otel_traces) SELECT TraceId FROM t WHERE Project != ''",
        f"SELECT '{2:032x}' AS TraceId UNION ALL SELECT '{ONE_TRACE}'",
        "SELECT TraceId, SpanId FROM otel_traces",
    ):
        mine = store.select(sql=sql, project="mine")
        assert [trace["project"] for trace in store.traces(mine)] == ["mine"], sql
        assert {span.project for span in store.spans(mine)} == {"mine"}, sql
        assert {rollout.rollout_id for rollout in store.rollouts(mine)} <= {ONE_TRACE}


def test_what_another_project_holds_cannot_be_told_by_a_condition(store: LightningStore) -> None:
    put(store, [make(1, trace=1, project="mine"), make(1, trace=2, project="theirs", name="secret")])
    probe = "SELECT TraceId FROM traces WHERE (SELECT count() FROM otel_traces WHERE SpanName = 'secret') > 0"
    assert store.traces(store.select(sql=probe, project="mine")) == []
    assert len(store.traces(store.select(sql=probe, project="theirs"))) == 1


def test_a_table_without_projects_is_refused_when_kept_to_one(store: LightningStore) -> None:
    with pytest.raises(QueryRefused, match="kept to 'mine'"):
        store.select(sql="SELECT TraceId FROM lineage", project="mine")


def test_a_query_that_takes_too_much_is_cut_off_with_a_reason(store: LightningStore) -> None:
    with pytest.raises(QueryFailed, match="gives more than 20,000,000 rows; select less"):
        store.sql("SELECT number FROM numbers(30000000)")

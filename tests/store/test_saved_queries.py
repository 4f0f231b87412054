"""Saved queries are named, versioned selections: checked when saved, never overwritten, found by near names."""

from __future__ import annotations

import pytest

from leyden_store.errors import QueryFailed, QueryNotFound, QueryRefused
from leyden_store.filters import Filters
from leyden_store.lightning import LightningStore
from leyden_store.selection import Selection
from tests.support.otlp_making import NOW_NS, make, put

ALL = "SELECT DISTINCT TraceId FROM otel_traces"


def test_saving_again_makes_a_new_version(store: LightningStore) -> None:
    first = store.queries.save("good", ALL, description="everything", owner="me")
    second = store.queries.save("good", f"{ALL} WHERE ServiceName = 'a' ;\n")
    assert (first.version, second.version) == (1, 2)
    assert store.queries.get("good").version == 2
    old = store.queries.get("good", 1)
    assert (old.sql, old.description, old.owner) == (ALL, "everything", "me")
    assert second.sql == f"{ALL} WHERE ServiceName = 'a'"
    assert [q.version for q in store.queries.all()] == [2]


def test_a_deleted_query_is_gone_and_its_versions_are_not_used_again(store: LightningStore) -> None:
    store.queries.save("good", ALL)
    store.queries.delete("good")
    assert store.queries.all() == []
    with pytest.raises(QueryNotFound):
        store.queries.get("good")
    assert store.queries.save("good", ALL).version == 2
    with pytest.raises(QueryNotFound, match="no version 1; it has 2"):
        store.queries.get("good", 1)


def test_a_query_that_is_not_there_names_the_near_ones(store: LightningStore) -> None:
    with pytest.raises(QueryNotFound, match="save one with: leyden query save"):
        store.queries.get("any")
    for name in ("good-runs", "bad-runs", "x"):
        store.queries.save(name, ALL)
    with pytest.raises(QueryNotFound, match="no saved query is called 'god-runs'; did you mean good-runs, bad-runs"):
        store.queries.get("god-runs")
    with pytest.raises(QueryNotFound):
        store.queries.delete("god-runs")


def test_what_gives_no_trace_ids_is_refused_when_saved(store: LightningStore) -> None:
    with pytest.raises(QueryRefused, match="the query gives x, but must give TraceId"):
        store.queries.save("bad", "SELECT 1 AS x")
    with pytest.raises(QueryFailed):
        store.queries.save("bad", "SELECT nope FROM otel_traces")
    with pytest.raises(QueryRefused, match="DROP"):
        store.queries.save("bad", "DROP TABLE otel_traces")
    assert store.queries.all() == []


def test_a_selection_remembers_the_query_and_its_version(store: LightningStore) -> None:
    store.queries.save("q", ALL)
    store.queries.save("q", "SELECT TraceId, SpanId FROM otel_traces")
    assert store.select(query="q") == Selection("SELECT TraceId, SpanId FROM otel_traces", {}, "q", 2, by_span=True)
    assert store.queries.selection("q", 1).by_span is False


def test_a_selection_takes_parameters(store: LightningStore) -> None:
    put(store, [make(1, trace=1, service="a"), make(1, trace=2, service="b")])
    text = f"{ALL} WHERE ServiceName = {{service:String}}"
    selection = Selection(text, {"service": "b"})
    assert [t["service"] for t in store.traces(selection)] == ["b"]
    assert [s.service for s in store.spans(selection)] == ["b"]


def test_names_of_any_signs_are_names(store: LightningStore) -> None:
    name = 'it\'s \\ "é" {x:String} %s'
    store.queries.save(name, ALL, description=name)
    assert store.queries.get(name).description == name


def test_parameters_are_typed_and_all_must_be_given(store: LightningStore) -> None:
    put(store, [make(1, trace=1, service="a"), make(1, trace=2, service="b")])
    saved = store.queries.save("of", f"{ALL} WHERE ServiceName = {{service:String}} AND Duration >= {{least:UInt64}}")
    chosen = store.select(query="of", parameters={"service": "b", "least": "0"})
    assert [t["service"] for t in store.traces(chosen)] == ["b"]
    with pytest.raises(QueryRefused, match="the query needs least: give --param least=VALUE"):
        store.select(query="of", parameters={"service": "b"})
    with pytest.raises(QueryRefused, match="no parameter x; it takes service, least"):
        store.select(query="of", parameters={"service": "b", "least": "0", "x": "1"})
    hostile = store.select(query="of", parameters={"service": "b' OR 1 --", "least": "0"})
    assert store.traces(hostile) == []
    assert store.queries.details(saved).parameters == {"service": "String", "least": "UInt64"}


def test_a_query_tells_its_last_use_its_versions_and_its_size(store: LightningStore) -> None:
    put(store, [make(1, trace=1), make(1, trace=2)])
    store.queries.save("q", ALL)
    saved = store.queries.save("q", f"{ALL} WHERE 1")
    before = store.queries.details(saved)
    assert (before.used_at, before.versions, before.traces) == (None, [1, 2], 2)
    assert before.rows_to_read == 2
    store.select(query="q", purpose="export")
    after = store.queries.details(saved)
    assert after.used_for == "export"
    assert after.used_at is not None
    assert after.to_json()["last_used_at"] == after.used_at.isoformat()
    from_flags = store.queries.save("tools", Filters(tools=["x"]).sql())
    assert store.queries.details(from_flags).rows_to_read == 2


def test_a_preview_counts_and_shows_the_newest(store: LightningStore) -> None:
    put(store, [make(1, trace=n, at_ns=NOW_NS + n, rollout_id=f"r{n % 2}") for n in range(1, 5)])
    shown = store.preview(store.select(), limit=2)
    assert (shown["traces"], shown["rollouts"], shown["llm_spans"]) == (4, 2, 0)
    assert [t["trace_id"] for t in shown["first"]] == [f"{4:032x}", f"{3:032x}"]

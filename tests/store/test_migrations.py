"""Migrations bring any earlier schema to this one, with its data, and refuse a later one."""

from __future__ import annotations

from pathlib import Path

import pytest

from leyden_store import ingest, sql
from leyden_store.connection import Connection
from leyden_store.definitions import definitions
from leyden_store.dsn import parse
from leyden_store.errors import SchemaTooNew, StoreError, StoreUnreachable
from leyden_store.lightning import LightningStore
from leyden_store.migrate import migrate
from leyden_store.spans import Event
from tests.support.otlp_making import NOW_NS, chat, make, put

NAMES = [name for _, name, _ in sql.migrations()]
DEFINED = [definition.name for definition in definitions()[1]]
SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("*.sql"))
"""Schemas of earlier releases, as SQL; one is added when a release changes what it had."""


def test_their_numbers_only_grow() -> None:
    numbers = [number for number, _, _ in sql.migrations()]
    assert numbers == sorted(set(numbers))


def test_a_fresh_store_gets_them_all_and_then_none(dsn: str) -> None:
    connection = Connection(parse(dsn))
    assert migrate(connection) == NAMES + DEFINED
    assert migrate(connection) == []
    connection.close()
    with LightningStore.open(dsn) as store:
        assert store.schema() == NAMES[-1]


@pytest.mark.parametrize("known", range(1, len(NAMES)))
def test_every_earlier_schema_is_brought_here_with_its_data(
    tmp_path: Path, known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables without views: those of then are in `schemas`, below."""
    dsn = f"chdb://{tmp_path}/store"
    every = sql.migrations()
    connection = Connection(parse(dsn))
    monkeypatch.setattr(sql, "migrations", lambda: every[:known])
    monkeypatch.setattr(sql, "views", list)
    migrate(connection)
    connection.insert("otel_traces", [{"TraceId": f"{9:032x}", "SpanId": f"{9:016x}", "SpanName": "old"}])
    connection.close()
    monkeypatch.undo()
    with LightningStore.open(dsn) as store:
        put(store, [make(1), chat(2, parent=1)])
        assert {s.name for s in store.spans()} >= {"span 1", "span 2"}
        assert store.sql("SELECT SpanName FROM otel_traces WHERE SpanName = 'old'").num_rows == 1


@pytest.mark.parametrize("recorded", SCHEMAS, ids=lambda path: path.stem)
def test_a_store_of_an_earlier_leyden_keeps_what_it_holds_and_reads_like_a_new_one(
    dsn: str, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = [make(1, rollout_id="r"), chat(2, parent=1, rollout_id="r")]
    reward = Event(NOW_NS, "gen_ai.evaluation.result", {"gen_ai.evaluation.score.value": 0.5})
    before = Connection(parse(dsn))
    for statement in sql.statements(recorded.read_text()):
        before.command(statement)
    before.command("CREATE TABLE schema_migrations (Version UInt32, Name String, AppliedAt DateTime DEFAULT now())"
                   " ENGINE = ReplacingMergeTree ORDER BY Version")  # fmt: skip
    before.insert("schema_migrations", [{"Version": n, "Name": f"{n:04}"} for n in (1, 2, 3, 4)])
    old = LightningStore(before)
    with monkeypatch.context() as then:
        then.setitem(ingest._LANDING, "traces", "otlp_traces")
        then.setattr(ingest, "Flattening", lambda connection: None)  # its views flattened all
        put(old, [*spans, make(3, parent=1, rollout_id="r", events=(reward,))])
    old.close()
    with LightningStore.open(dsn) as store:
        assert {s.span_id for s in store.spans()} == {f"{n:016x}" for n in (1, 2, 3)}
        put(store, [chat(4, parent=1, rollout_id="r")], spans)
        (rollout,) = store.rollouts()
        assert (rollout.rollout_id, len(rollout.turns), rollout.reward()) == ("r", 2, 0.5)
        (listed,) = store.traces()
        assert (listed["spans"], listed["llm_spans"], listed["name"]) == (4, 2, "span 1")
        made = _shape(store)
    other = dsn.replace("/store", "/fresh")
    if other != dsn:
        with LightningStore.open(other) as fresh:
            assert _shape(fresh) == made


def _shape(store: LightningStore) -> list[dict[str, object]]:
    return store.connection.rows(
        "SELECT table, name, type FROM system.columns WHERE database = currentDatabase() ORDER BY table, name"
    )


def test_a_migration_that_was_cut_off_is_run_again(dsn: str) -> None:
    connection = Connection(parse(dsn))
    for _, _, statements in sql.migrations():
        for statement in statements[: len(statements) // 2 + 1] + statements:
            connection.command(statement)
    assert migrate(connection) == NAMES + DEFINED
    store = LightningStore(connection)
    put(store, [make(1)])
    assert store.stats()["spans"] == 1
    store.close()


def test_a_later_schema_is_refused_with_both_versions(dsn: str) -> None:
    with LightningStore.open(dsn) as store:
        store.connection.insert("schema_migrations", [{"Version": 999, "Name": "0999_future"}])
    with pytest.raises(
        SchemaTooNew, match=f"schema 999, this Leyden knows up to {sql.migrations()[-1][0]}; upgrade leyden"
    ):
        LightningStore.open(dsn)


def test_the_functions_that_make_the_views_are_gone_afterwards(store: LightningStore) -> None:
    assert store.sql("SELECT name FROM system.functions WHERE startsWith(name, 'leyden_')").to_pylist() == []


def test_no_server_is_said_with_its_address() -> None:
    with pytest.raises(StoreUnreachable, match=r"no ClickHouse answers at 127\.0\.0\.1:1:") as caught:
        LightningStore.open("clickhouse://u:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.server
def test_a_database_that_is_not_there_is_said(clickhouse: str) -> None:
    with pytest.raises(StoreError, match="nowhere") as caught:
        LightningStore.open(clickhouse.rpartition("/")[0] + "/nowhere")
    assert "\n" not in str(caught.value)


@pytest.mark.server
def test_a_wrong_password_is_said_without_it(clickhouse: str) -> None:
    address = clickhouse.rpartition("@")[2]
    with pytest.raises(StoreError, match=r"(?i)authentication|password") as caught:
        LightningStore.open(f"clickhouse://default:secret@{address}")
    assert "secret" not in str(caught.value)

"""Migrations bring any earlier schema to this one, with its data, and refuse a later one."""

from __future__ import annotations

import pytest

from leyden_store import sql
from leyden_store.connection import Connection
from leyden_store.dsn import parse
from leyden_store.errors import SchemaTooNew, StoreError, StoreUnreachable
from leyden_store.lightning import LightningStore
from leyden_store.migrate import migrate
from tests.support.otlp_making import chat, make, put

NAMES = [name for _, name, _ in sql.migrations()]


def test_their_numbers_are_their_order() -> None:
    assert [number for number, _, _ in sql.migrations()] == list(range(1, len(NAMES) + 1))


def test_a_fresh_store_gets_them_all_and_then_none(dsn: str) -> None:
    connection = Connection(parse(dsn))
    assert migrate(connection) == NAMES
    assert migrate(connection) == []
    connection.close()
    with LightningStore.open(dsn) as store:
        assert store.schema() == NAMES[-1]


@pytest.mark.parametrize("known", range(len(NAMES)))
def test_every_earlier_schema_is_brought_here_with_its_data(
    dsn: str, known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = sql.migrations()
    monkeypatch.setattr(sql, "migrations", lambda: every[:known])
    connection = Connection(parse(dsn))
    if known:
        migrate(connection)
        connection.insert("otel_traces", [{"TraceId": f"{9:032x}", "SpanId": f"{9:016x}", "SpanName": "old"}])
    connection.close()
    monkeypatch.setattr(sql, "migrations", lambda: every)
    with LightningStore.open(dsn) as store:
        put(store, [make(1), chat(2, parent=1)])
        assert {s.name for s in store.spans()} == {"span 1", "span 2"} | ({"old"} if known else set())


def test_a_migration_that_was_cut_off_is_run_again(dsn: str) -> None:
    connection = Connection(parse(dsn))
    for _, _, statements in sql.migrations():
        for statement in statements[: len(statements) // 2 + 1]:
            connection.command(statement)
    assert migrate(connection) == NAMES
    store = LightningStore(connection)
    put(store, [make(1)])
    assert store.stats()["spans"] == 1
    store.close()


def test_a_later_schema_is_refused_with_both_versions(dsn: str) -> None:
    with LightningStore.open(dsn) as store:
        store.connection.insert("schema_migrations", [{"Version": 999, "Name": "0999_future"}])
    with pytest.raises(SchemaTooNew, match=f"schema 999, this Leyden knows up to {len(NAMES)}; upgrade leyden"):
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

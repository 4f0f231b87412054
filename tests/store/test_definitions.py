"""Landing tables and views follow their text, on a store that is written to meanwhile; migrations do not collide."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from leyden_store import _schema_lock, definitions, flattening, sql
from leyden_store.connection import Connection
from leyden_store.dsn import parse
from leyden_store.errors import StoreError
from leyden_store.ingest import OtlpWriter, delimited
from leyden_store.lightning import LightningStore
from leyden_store.migrate import migrate
from leyden_store.otlp import encode_traces
from tests.support.clickhouse_server import drop_database, new_database
from tests.support.otlp_making import make, put

VIEWS = sql.views()


def changed_views() -> list[str]:
    """The views as an edit might leave them: another column on the landing table, another text for a span's name."""
    return [
        text.replace("    SpanName,\n    transform", "    concat(SpanName, note, '!') AS SpanName,\n    transform")
        .replace("ResourceDroppedAttributes, ResourceSchemaUrl,", "ResourceDroppedAttributes, ResourceSchemaUrl, note,")
        .replace("(\n    `resource_spans.res", "(\n    note String DEFAULT '',\n    `resource_spans.res")
        for text in VIEWS
    ]


def use(monkeypatch: pytest.MonkeyPatch, views: list[str]) -> None:
    monkeypatch.setattr(sql, "views", lambda: views)


def names(store: LightningStore) -> list[str]:
    return sorted(span.name for span in store.spans())


def test_an_edited_text_is_what_the_next_start_uses(store: LightningStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert migrate(store.connection) == []
    use(monkeypatch, changed_views())
    assert migrate(store.connection) == ["otlp_trace_requests", "otlp_trace_requests_mv"]
    assert migrate(store.connection) == []
    put(store, [make(1)])
    use(monkeypatch, VIEWS)
    assert migrate(store.connection) == ["otlp_trace_requests", "otlp_trace_requests_mv"]
    put(store, [make(2)])
    assert names(store) == ["span 1!", "span 2"]
    columns = store.sql("SELECT name FROM system.columns WHERE table = 'otlp_trace_requests'").to_pylist()
    assert len(columns) > 20
    assert {"name": "note"} not in columns


def test_a_comment_changes_nothing(store: LightningStore, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, [s for text in VIEWS for s in sql.statements(f"-- said otherwise\n{text};\n")])
    assert not definitions.outdated(store.connection)


def test_what_is_defined_no_more_is_gone(store: LightningStore, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, [text for text in VIEWS if "rewards_mv" not in text])
    assert migrate(store.connection) == ["rewards_mv"]
    assert store.sql("SELECT name FROM system.tables WHERE name = 'rewards_mv'").num_rows == 0
    use(monkeypatch, VIEWS)
    assert migrate(store.connection) == ["rewards_mv"]


def test_what_a_later_leyden_defined_is_left(store: LightningStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "_leyden", lambda: "99.1.0")
    use(monkeypatch, changed_views())
    migrate(store.connection)
    monkeypatch.undo()
    assert migrate(store.connection) == []
    put(store, [make(1)])
    assert names(store) == ["span 1!"]


def test_a_change_that_was_cut_off_is_made_again(store: LightningStore, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, changed_views())
    monkeypatch.setattr(_schema_lock, "_ABANDONED_S", -1)  # a process that dies leaves its lock too
    for number in range(1, 18, 3):
        left = iter(range(number))
        whole = Connection.ddl

        def failing(self: Connection, text: str, left: object = left, whole: object = whole) -> None:
            if next(left, None) is None:  # type: ignore[call-overload]
                raise StoreError("the wire broke")
            whole(self, text)  # type: ignore[operator]

        with monkeypatch.context() as broken:
            broken.setattr(Connection, "ddl", failing)
            with pytest.raises(StoreError, match="the wire broke"):
                migrate(store.connection)
        put(store, [make(number)])  # what is there between two starts takes spans
    assert migrate(store.connection) != []
    put(store, [make(99)])
    assert "span 99!" in names(store)
    assert len(names(store)) == 7
    assert store.sql("SELECT name FROM system.functions WHERE startsWith(name, 'leyden_')").num_rows == 0


def test_no_insert_falls_between_two_texts(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flattening, "_GOOD_FOR_S", 0.05)
    with LightningStore.open(dsn) as store:
        stop = threading.Event()
        written: list[int] = []

        def write() -> None:
            writer = OtlpWriter(store.connection)
            for number in count(1):
                if stop.is_set():
                    break
                segment = delimited([encode_traces([make(number)])])
                for _ in range(20):  # as the flusher does: what the store refuses is sent again
                    try:
                        writer.write(segment, token=str(number))
                        written.append(number)
                        break
                    except StoreError:
                        time.sleep(0.01)
            writer.close()

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for turn in range(6):
                use(monkeypatch, changed_views() if turn % 2 == 0 else VIEWS)
                assert migrate(store.connection) == ["otlp_trace_requests", "otlp_trace_requests_mv"]
                time.sleep(0.1)
        finally:
            stop.set()
            thread.join()
        assert len(written) > 6
        assert [span.span_id for span in store.spans()] == [f"{number:016x}" for number in written]
        assert {name[-1] == "!" for name in names(store)} == {True, False}


@pytest.mark.server
def test_several_first_starts_on_one_server_do_not_collide(clickhouse: str) -> None:
    """Four processes a database, two databases at once: functions belong to the whole server."""
    databases = [new_database(clickhouse) for _ in range(2)]

    def start(dsn: str) -> list[str]:
        connection = Connection(parse(dsn))
        try:
            return migrate(connection)
        finally:
            connection.close()

    try:
        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(start, databases * 4))
        assert sum(map(bool, done)) == 2
        for dsn in databases:
            with LightningStore.open(dsn) as store:
                put(store, [make(1)])
                assert names(store) == ["span 1"]
                assert not definitions.outdated(store.connection)
    finally:
        for dsn in databases:
            drop_database(dsn)


@pytest.mark.server
def test_a_lock_whose_owner_was_killed_is_taken_over(server_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(parse(server_dsn))
    connection.command("CREATE TABLE schema_lock (Nothing UInt8) ENGINE = Memory COMMENT '1000 process 1 on nowhere'")
    assert migrate(connection) != []
    now = connection.rows("SELECT toUnixTimestamp(now()) AS now")[0]["now"]
    connection.command(f"CREATE TABLE schema_lock (Nothing UInt8) ENGINE = Memory COMMENT '{now} process 1 on nowhere'")
    with (
        pytest.raises(StoreError, match="being changed by process 1 on nowhere"),
        _schema_lock.schema_lock(connection, wait_s=0.3),
    ):
        pass
    connection.close()

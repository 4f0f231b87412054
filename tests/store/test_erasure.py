"""Erasure: what was erased is in no table and in no file; the rest stays; late spans are turned away and counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from leyden_store import erasure
from leyden_store.connection import Connection
from leyden_store.datasets import Dataset, Datasets
from leyden_store.erasure import Erased, Target, find, used_by
from leyden_store.lightning import LightningStore
from leyden_store.spans import Event, Span
from leyden_store.turns import PostedReward
from tests.support.otlp_making import DAY_NS, NOW_NS, chat, make, put

SECRET = "xylophone-7731"
KEPT = "marimba-5540"


def tree(trace: int, said: str, **rest: object) -> list[Span]:
    score = Event(NOW_NS, "gen_ai.evaluation.result", {"gen_ai.evaluation.score.value": 0.5})
    root = make(1, trace=trace, name=f"agent {said}", events=(score,), at_ns=NOW_NS + trace * DAY_NS, **rest)  # type: ignore[arg-type]
    return [root, chat(2, trace=trace, parent=1, said=said, at_ns=NOW_NS + trace * DAY_NS)]


def erase(connection: Connection, target: Target) -> Erased:
    """Without the wait for the disk: that is specified once, below."""
    return erasure.erase(connection, target, from_disk=False)


def holding(store: LightningStore, needle: str) -> list[str]:
    """Tables in which any column of any row says it."""
    found = []
    for row in store.connection.rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    ):
        text = f"SELECT countIf(position(formatRowNoNewline('TSV', *), '{needle}') > 0) AS n FROM {row['name']}"
        if store.connection.rows(text)[0]["n"]:
            found.append(row["name"])
    return found


def files_holding(folder: Path, needle: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


@pytest.mark.parametrize("kind", ["session", "rollout", "user", "trace", "where"])
def test_what_is_erased_is_in_no_table_and_the_rest_stays(store: LightningStore, kind: str) -> None:
    names = {"session_id": f"s-{SECRET}", "rollout_id": f"r-{SECRET}", "user_id": f"u-{SECRET}"}
    gone, kept = tree(1, SECRET, **names), tree(2, KEPT, session_id="s2", rollout_id="r2", user_id="u2")
    put(store, [*gone, *kept], gone, [kept[0]])
    store.add_rewards(
        [
            PostedReward("reward", 1.0, rollout_id=names["rollout_id"], explanation=SECRET),
            PostedReward("said", 0.5, response_id="resp-1-2", explanation=SECRET),
            PostedReward("reward", 0.25, rollout_id="r2"),
        ]
    )
    used = [(gone[1].trace_id, gone[1].span_id), (kept[1].trace_id, kept[1].span_id)]
    dataset = Datasets(store.connection).record(Dataset("", "turns", "/data/x.jsonl", sha256="ab"), used).dataset_id
    value = {
        "session": names["session_id"], "rollout": names["rollout_id"], "user": names["user_id"],
        "trace": gone[0].trace_id, "where": f"SpanName = 'agent {SECRET}'",
    }[kind]  # fmt: skip
    target = find(store.connection, kind, value)  # type: ignore[arg-type]
    assert (len(target.traces), target.span_count) == (1, 2)
    assert [(use.kind, use.id, use.path, use.spans) for use in target.used_by] == [
        ("dataset", dataset, "/data/x.jsonl", 1)
    ]
    erased = erase(store.connection, target)
    assert erased.rows["otel_traces"] >= 2
    assert {"otel_traces", "traces", "otel_traces_trace_id_ts", "lineage", "rewards"} <= set(erased.rows)
    assert holding(store, SECRET) == []
    assert holding(store, gone[0].trace_id) == []
    assert sorted(s.name for s in store.spans()) == sorted(s.name for s in kept)
    (rollout,) = store.rollouts()
    assert (rollout.rollout_id, rollout.reward()) == ("r2", 0.25)
    assert find(store.connection, kind, value).traces == []  # type: ignore[arg-type]
    assert used_by(store.connection, [gone[0].trace_id]) == []
    assert store.connection.rows("SELECT Datasets FROM erasures") == [{"Datasets": [dataset]}]


def test_no_file_of_the_store_holds_what_was_erased(store: LightningStore) -> None:
    folder = store.connection.engine_path
    if folder is None:
        pytest.skip("a server's files are not at hand")
    gone = tree(1, SECRET, session_id="s-gone")
    put(store, [*gone, *tree(2, KEPT)], gone)
    store.connection.command("ALTER TABLE otel_traces MODIFY COLUMN SpanName String CODEC(NONE)")
    store.compact()
    assert files_holding(folder, SECRET.encode())
    erasure.erase(store.connection, find(store.connection, "session", "s-gone"))
    assert files_holding(folder, SECRET.encode()) == []
    assert files_holding(folder, b"s-gone") == []
    assert files_holding(folder, gone[0].trace_id.encode()) == []
    assert files_holding(folder, KEPT.encode())


def test_files_are_cleared_at_once_where_the_engine_has_long_had_none_to_clear(dsn: str) -> None:
    """It then looks every five minutes; an erasure waits for three."""
    with LightningStore.open(dsn) as store:
        put(store, tree(1, SECRET))
        for table in ("otel_traces", "traces", "otel_traces_trace_id_ts"):
            store.connection.ddl(
                f"ALTER TABLE {table} MODIFY SETTING cleanup_delay_period = 600, max_cleanup_delay_period = 600"
            )
            if store.connection.engine_path is None:  # it goes to sleep anew
                store.connection.command(f"DETACH TABLE {table}")
                store.connection.command(f"ATTACH TABLE {table}")
    with LightningStore.open(dsn) as store:
        target = find(store.connection, "trace", tree(1, SECRET)[0].trace_id)
        assert erasure.erase(store.connection, target).rows["otel_traces"] == 2


@pytest.mark.parametrize("kind", ["session", "rollout", "trace"])
def test_spans_that_come_late_are_counted_and_stored_nowhere(store: LightningStore, kind: str) -> None:
    first = tree(1, SECRET, session_id="s", rollout_id="r", project="p")
    put(store, first)
    erase(store.connection, find(store.connection, kind, {"session": "s", "rollout": "r"}.get(kind, first[0].trace_id)))  # type: ignore[arg-type]
    late = [make(7, trace=1, parent=1, project="p"), chat(8, trace=1, parent=1)]
    if kind != "trace":
        late.append(make(9, trace=5, session_id="s", rollout_id="r"))
    put(store, late, first, tree(2, KEPT))
    assert {s.trace_id[-1] for s in store.spans()} == {"2"}
    assert [t["trace_id"][-1] for t in store.traces()] == ["2"]
    assert holding(store, SECRET) == []
    (counted,) = store.connection.rows("SELECT sum(Spans) AS n FROM erased_arrivals")
    assert counted["n"] == len(late) + len(first)
    assert store.stats()["erased_late"] == len(late) + len(first)


def test_a_rollout_leaves_a_trace_that_holds_others(store: LightningStore) -> None:
    """A batch in one trace: the spans below the erased rollout's go, with those that only inherit it."""
    put(
        store,
        [
            make(1, name="batch"),
            make(2, parent=1, rollout_id="gone", status="Error"), chat(3, parent=2, said=SECRET),
            make(4, parent=1, rollout_id="kept"), chat(5, parent=4, said=KEPT),
        ],
    )  # fmt: skip
    store.add_rewards([PostedReward("reward", 1.0, rollout_id="gone"), PostedReward("reward", 0.5, rollout_id="kept")])
    target = find(store.connection, "rollout", "gone")
    assert (target.traces, target.span_count) == ([], 2)
    erase(store.connection, target)
    assert sorted(s.span_id[-1] for s in store.spans()) == ["1", "4", "5"]
    (row,) = store.traces()
    assert (row["spans"], row["llm_spans"], row["errors"], row["rollout_id"], row["name"]) == (3, 1, 0, "kept", "batch")
    assert holding(store, SECRET) == []
    assert [r["RolloutId"] for r in store.connection.rows("SELECT RolloutId FROM rewards FINAL")] == ["kept"]
    put(store, [make(2, parent=1, rollout_id="gone")])
    assert len(list(store.spans())) == 3


def test_texts_that_name_it_are_said_and_left(store: LightningStore) -> None:
    put(store, tree(1, SECRET, session_id="s-71"))
    store.queries.save("mine", "SELECT TraceId FROM otel_traces WHERE SessionId = 's-71'")
    erased = erase(store.connection, find(store.connection, "session", "s-71"))
    assert erased.mentions == {"saved_queries": 1}


def test_nothing_is_erased_where_nothing_is_named(store: LightningStore) -> None:
    put(store, tree(1, KEPT))
    for kind in ("session", "rollout", "user"):
        erased = erase(store.connection, find(store.connection, kind, "nobody"))
        assert erased.to_json()["spans"] == 0
    assert len(list(store.spans())) == 2

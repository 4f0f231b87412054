"""A backup restored into an empty store of either kind is the same store; a damaged or ill-fitting one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from leyden_store.backup import BackupUnusable, backup, restore
from leyden_store.erasure import erase, find
from leyden_store.lightning import LightningStore
from leyden_store.turns import PostedReward
from tests.support.otlp_making import by_id, chat, differences, make, put


def filled(store: LightningStore) -> None:
    put(store, [make(1, rollout_id="r"), chat(2, parent=1, rollout_id="r")], [make(1, trace=2, session_id="gone")])
    put(store, [make(1, rollout_id="r")])
    store.add_rewards([PostedReward("reward", 0.5, rollout_id="r")])
    store.queries.save("mine", "SELECT TraceId FROM otel_traces")
    erase(store.connection, find(store.connection, "session", "gone"), from_disk=False)


def test_what_is_restored_is_what_was_there(store: LightningStore, tmp_path: Path) -> None:
    filled(store)
    made = backup(store.connection, tmp_path / "backup")
    assert made.rows["otel_traces"] == 3
    spans, traces = by_id(store.spans()), store.traces()
    (rollout,) = store.rollouts()
    other = f"chdb://{tmp_path}/restored"
    if store.connection.engine_path is not None:  # one embedded store a process
        store.close()
    with LightningStore.open(other) as restored:
        restore(restored.connection, tmp_path / "backup")
        assert differences(spans, by_id(restored.spans())) == []
        assert restored.traces() == traces
        assert [r.reward() for r in restored.rollouts()] == [rollout.reward()] == [0.5]
        assert [query.name for query in restored.queries.all()] == ["mine"]
        put(restored, [make(9, trace=2, session_id="gone")])
        assert len(by_id(restored.spans())) == len(spans)
        with pytest.raises(BackupUnusable, match="not empty"):
            restore(restored.connection, tmp_path / "backup")


def test_an_embedded_stores_backup_fills_a_server(tmp_path: Path, server_dsn: str) -> None:
    with LightningStore.open(f"chdb://{tmp_path}/store") as store:
        filled(store)
        spans = by_id(store.spans())
        backup(store.connection, tmp_path / "backup")
        with pytest.raises(BackupUnusable, match="there already"):
            backup(store.connection, tmp_path / "backup")
    with LightningStore.open(server_dsn) as restored:
        restore(restored.connection, tmp_path / "backup")
        assert differences(spans, by_id(restored.spans())) == []


def test_a_damaged_backup_is_refused_before_anything_is_filled(store: LightningStore, tmp_path: Path) -> None:
    filled(store)
    backup(store.connection, tmp_path / "backup")
    with (tmp_path / "backup" / "rewards.native.zst").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BackupUnusable, match=r"rewards\.native\.zst"):
        restore(store.connection, tmp_path / "backup")
    with pytest.raises(BackupUnusable, match="no backup"):
        restore(store.connection, tmp_path)

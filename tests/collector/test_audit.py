"""The audit log is whole whenever somebody asks for it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from leyden_collector.access import Access, Grant
from leyden_collector.audit import Auditor
from leyden_store.audit import Action, AuditLog, Entry
from leyden_store.connection import Connection
from leyden_store.keys import Scope
from leyden_store.lightning import LightningStore


class Waiting(AuditLog):
    """Stores entries when it is told to go on."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.begun, self.go_on = threading.Event(), threading.Event()

    def record(self, *entries: Entry) -> None:
        self.begun.set()
        assert self.go_on.wait(10)
        super().record(*entries)


def test_whoever_asks_waits_for_what_is_just_being_stored(tmp_path: Path) -> None:
    with LightningStore.open(f"chdb://{tmp_path}/store") as store, ThreadPoolExecutor(2) as pool:
        log = Waiting(store.connection)
        auditor = Auditor(log, Access("token", anonymous=False))
        auditor.note(Grant(frozenset(Scope), key_id="k"), Action.EXPORT, "good")
        by_itself = pool.submit(auditor.flush)
        assert log.begun.wait(10)
        asked = pool.submit(auditor.flush)
        with pytest.raises(TimeoutError):
            asked.result(0.2)
        log.go_on.set()
        asked.result(10)
        assert [entry.subject for entry in log.read()] == ["good"]
        by_itself.result(10)

"""Writes the audit log without making those wait who are written down: entries are stored once a second, together."""

from __future__ import annotations

import logging
import threading

from leyden_collector.access import HOLDER, Access, Grant
from leyden_store.audit import Action, AuditLog, Entry
from leyden_store.errors import LeydenError

log = logging.getLogger(__name__)

_EVERY_S = 1.0
_MOST_WAITING = 10_000

_ONLY_WITH_KEYS = {Action.READ, Action.SEARCH, Action.SQL}
"""Not written for callers without a key on a loopback address, nor for this machine's own commands there."""


class Auditor:
    """Takes entries from every thread. Start it before the first request, stop it after the last."""

    def __init__(self, audit_log: AuditLog, access: Access) -> None:
        self._log = audit_log
        self._access = access
        self._waiting: list[Entry] = []
        self._lost = 0
        self._lock = threading.Lock()
        self._storing = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leyden-audit", daemon=True)

    def note(self, grant: Grant, action: Action, subject: str, rows: int = 0) -> None:
        """Note what was done under a grant."""
        if action in _ONLY_WITH_KEYS and not self._access.enforced and grant.key_id in ("", HOLDER):
            return
        entry = Entry(action, subject, rows, grant.key_id, grant.name, grant.project)
        with self._lock:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(entry)
            else:
                self._lost += 1

    def start(self) -> None:
        """Begin to store entries."""
        self._thread.start()

    def stop(self) -> None:
        """Store what waits, and end."""
        self._stopping.set()
        self._thread.join()

    def flush(self) -> None:
        """Store what waits, now. What cannot be stored waits on; what is lost in the end is said in the log."""
        # Who asks also waits for what another thread is just storing.
        with self._storing:
            self._store()

    def _store(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            self._log.record(*waiting)
        except LeydenError as error:
            log.warning("%d entries of the audit log wait for the store: %s", len(waiting), error)
            with self._lock:
                self._waiting = [*waiting, *self._waiting]
        if self._lost:
            log.error("%d entries of the audit log were lost while the store did not answer", self._lost)
            self._lost = 0

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY_S):
            self.flush()
        self.flush()

"""How the collectors of a store fare, by the samples they keep in it (`collector_metrics`, one every 15 s)."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass

from leyden_store import sql
from leyden_store.connection import Connection

_PREFIX = "leyden_collector_"
_NUMBERS = {
    "spans_accepted_total": "accepted",
    "requests_refused_total": "refused",
    "spool_bytes": "spool_bytes",
    "oldest_unsent_seconds": "oldest_s",
    "store_failing_seconds": "failing_s",
    "quarantine_requests": "quarantined",
}
_SILENT_S = 60.0
"""Four samples: who has written none for so long has ended, or cannot reach the store."""

_LATE_S = 60.0


@dataclass(frozen=True, slots=True)
class CollectorState:
    """One collector: what it took since its start, and what waits. age_s: seconds since it was heard of."""

    name: str
    age_s: float
    accepted: int = 0
    refused: int = 0
    spool_bytes: int = 0
    oldest_s: float = 0.0
    failing_s: float = 0.0
    quarantined: int = 0

    @property
    def faults(self) -> list[str]:
        """What is wrong with it, in words; empty when it is well."""
        said = []
        if self.age_s > _SILENT_S:
            said.append("silent: it has ended, or cannot reach the store")
        if self.failing_s > 0:
            said.append(f"the store has taken nothing for {self.failing_s:.0f} s")
        if self.oldest_s > _LATE_S:
            said.append(f"spans have waited for {self.oldest_s:.0f} s")
        if self.quarantined:
            said.append(f"{self.quarantined} requests in quarantine: leyden store quarantine list")
        return said


def collectors(connection: Connection) -> list[CollectorState]:
    """Every collector heard of within the hour, by name."""
    rows = connection.rows(sql.query("collectors"), {"names": [_PREFIX + name for name in _NUMBERS]})
    values: dict[str, dict[str, float]] = defaultdict(dict)
    heard: dict[str, int] = defaultdict(int)
    for row in rows:
        values[row["collector"]][_NUMBERS[row["name"].removeprefix(_PREFIX)]] = row["value"]
        heard[row["collector"]] = max(heard[row["collector"]], row["at_ns"])
    return [_state(name, found, heard[name]) for name, found in values.items()]


def _state(name: str, found: dict[str, float], at_ns: int) -> CollectorState:
    return CollectorState(
        name,
        age_s=max(0.0, time.time() - at_ns / 1e9),
        accepted=int(found.get("accepted", 0)),
        refused=int(found.get("refused", 0)),
        spool_bytes=int(found.get("spool_bytes", 0)),
        oldest_s=found.get("oldest_s", 0.0),
        failing_s=found.get("failing_s", 0.0),
        quarantined=int(found.get("quarantined", 0)),
    )

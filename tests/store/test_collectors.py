"""How collectors fare, by the samples they keep of themselves: the newest of each metric, and what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from leyden_store.collectors import CollectorState, collectors
from leyden_store.lightning import LightningStore


def test_the_newest_samples_of_each_collector_are_told(store: LightningStore) -> None:
    now = datetime.now(UTC)

    def sample(collector: str, name: str, value: float, ago_s: float, **labels: str) -> dict[str, object]:
        at = now - timedelta(seconds=ago_s)
        name = f"leyden_collector_{name}"
        return {"Timestamp": at, "Collector": collector, "Name": name, "Labels": labels, "Value": value}

    samples = [
        sample("one:1", "spans_accepted_total", 5.0, 30),
        sample("one:1", "spans_accepted_total", 9.0, 15),
        sample("one:1", "quarantine_requests", 1.0, 15, signal="traces"),
        sample("one:1", "quarantine_requests", 2.0, 15, signal="logs"),
        sample("two:2", "spool_bytes", 512.0, 120),
        sample("old:3", "spool_bytes", 1.0, 7200),
    ]
    store.connection.insert("collector_metrics", samples)
    one, two = collectors(store.connection)
    assert (one.name, one.accepted, one.quarantined, two.name, two.spool_bytes) == ("one:1", 9, 3, "two:2", 512)
    assert 14 < one.age_s < 60
    assert one.faults == ["3 requests in quarantine: leyden store quarantine list"]
    assert two.faults == ["silent: it has ended, or cannot reach the store"]


def test_what_is_wrong_is_said_in_words() -> None:
    assert CollectorState("c", age_s=5).faults == []
    late = CollectorState("c", age_s=5, oldest_s=90, failing_s=70)
    assert late.faults == ["the store has taken nothing for 70 s", "spans have waited for 90 s"]

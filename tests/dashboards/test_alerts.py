"""Alerts: committed as generated, in Grafana's shape, and true of what they are about and of nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leyden_dashboards.alerts import ALERTS, FILE, Alert, text
from leyden_dashboards.sql import statement
from leyden_store.lightning import LightningStore
from leyden_store.triggers import Firing, FiringStatus
from leyden_store.turns import PostedReward
from tests.support.grafana_queries import Asked, expand
from tests.support.otlp_making import chat, put

each = pytest.mark.parametrize("alert", [pytest.param(alert, id=alert.title) for alert in ALERTS])
NOW = datetime.now(UTC)
NOW_NS = int(NOW.timestamp()) * 10**9


def number(store: LightningStore, alert: Alert) -> float:
    asked = Asked(NOW - timedelta(seconds=alert.window_s), NOW + timedelta(minutes=5), 60, {})
    (row,) = store.sql(expand(statement(alert.sql), asked)).to_pylist()
    (value,) = row.values()
    return float(value or 0)


def sample(name: str, value: float, minutes_ago: float) -> dict[str, Any]:
    return {
        "Timestamp": NOW - timedelta(minutes=minutes_ago),
        "Collector": "c:1",
        "Name": f"leyden_collector_{name}",
        "Labels": {"signal": "traces"},
        "Value": value,
    }


def lag(store: LightningStore) -> None:
    samples = [sample("oldest_unsent_seconds", value, ago) for value, ago in ((0, 4), (90, 1))]
    store.connection.insert("collector_metrics", samples)


def quarantined(store: LightningStore) -> None:
    store.connection.insert("collector_metrics", [sample("quarantine_requests", 2, 1)])


def errors(store: LightningStore) -> None:
    spans = [chat(n, trace=n, at_ns=NOW_NS - 60 * 10**9) for n in range(1, 31)]
    put(store, [replace(span, status="Error" if n < 12 else "Unset") for n, span in enumerate(spans)])


def worse(store: LightningStore) -> None:
    """Forty scores of 0.9, a promotion an hour ago, forty of 0.5."""
    promoted = NOW - timedelta(hours=1)
    firing = Firing("t", "f", FiringStatus.SUCCEEDED, promoted, promoted, promoted=True, ended_at=promoted)
    store.triggers.record(firing)
    store.add_rewards([PostedReward("reward", 0.5, rollout_id=f"after-{n}") for n in range(40)])
    store.connection.insert(
        "rewards",
        [
            {
                "RolloutId": f"before-{n}", "TraceId": "", "SpanId": "", "ResponseId": "", "Name": "reward",
                "Source": "api", "Value": 0.9, "Label": "", "Explanation": "",
                "Timestamp": promoted - timedelta(minutes=5),
            }
            for n in range(40)
        ],
    )  # fmt: skip


CAUSES = {
    "Ingest lag": lag,
    "Quarantine": quarantined,
    "Error burst": errors,
    "Reward drop after a promotion": worse,
}


def test_the_committed_file_is_the_generated_one() -> None:
    assert FILE.read_text() == text(), "run: make dashboards"


@each
def test_it_fires_for_its_cause_and_not_in_an_empty_store(store: LightningStore, alert: Alert) -> None:
    assert number(store, alert) <= alert.above
    CAUSES[alert.title](store)
    assert number(store, alert) > alert.above


@each
def test_a_rule_is_a_query_and_a_threshold_on_it(alert: Alert) -> None:
    rule = alert.to_json()
    asked, judged = rule["data"]
    assert rule["condition"] == judged["refId"]
    assert judged["model"]["expression"] == asked["refId"]
    assert asked["datasourceUid"] == "leyden"
    assert asked["model"]["rawSql"]
    assert all(rule["annotations"][name].endswith(".") for name in ("summary", "description"))


def test_rules_have_ids_of_their_own() -> None:
    (group,) = json.loads(text())["groups"]
    assert len({rule["uid"] for rule in group["rules"]}) == len(ALERTS)

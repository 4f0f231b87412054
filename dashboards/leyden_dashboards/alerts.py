"""Alerts as Grafana's file provisioning reads them: a query, and a threshold on its one number.

https://grafana.com/docs/grafana/latest/alerting/set-up/provision-alerting-resources/file-provisioning/
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

from leyden_dashboards.model import PLUGIN, Json, Query
from leyden_dashboards.writing import COMMITTED

FILE = COMMITTED.parent / "provisioning" / "alerting" / "leyden.json"
"""Where the repository keeps them."""

_SOURCE_UID = "leyden"
"""The provisioned data source's."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule. It fires when the query's number has been above `above` for `lasting`.

    window_s: the seconds the query looks back
    """

    title: str
    sql: str
    above: float
    window_s: int
    lasting: str
    summary: str
    description: str

    def to_json(self) -> Json:
        """The rule. A store that holds nothing to judge by is no alarm; one that cannot be asked is."""
        asked = Query(self.sql).to_json() | {"datasource": {"type": PLUGIN, "uid": _SOURCE_UID}}
        threshold = {
            "refId": "C",
            "type": "threshold",
            "datasource": {"type": "__expr__", "uid": "__expr__"},
            "expression": "A",
            "conditions": [{"type": "query", "evaluator": {"type": "gt", "params": [self.above]}}],
        }
        return {
            "uid": f"leyden-{zlib.crc32(self.title.encode()):08x}",
            "title": self.title,
            "condition": "C",
            "data": [
                _step("A", _SOURCE_UID, self.window_s, asked),
                _step("C", "__expr__", 0, threshold),
            ],
            "noDataState": "OK",
            "execErrState": "Error",
            "for": self.lasting,
            "annotations": {"summary": self.summary, "description": self.description},
            "labels": {"team": "leyden"},
            "isPaused": False,
        }


ALERTS = (
    Alert(
        "Ingest lag",
        "alerts/ingest_lag",
        above=60,
        window_s=300,
        lasting="2m",
        summary="Spans wait more than a minute for the store.",
        description="Nothing acknowledged is lost while the spool has room; look at the store, then at Collector.",
    ),
    Alert(
        "Quarantine",
        "alerts/quarantine",
        above=0,
        window_s=300,
        lasting="1m",
        summary="The store could not read some requests.",
        description="They are kept with the reason: leyden store quarantine list, then retry or drop.",
    ),
    Alert(
        "Error burst",
        "alerts/error_burst",
        above=0.3,
        window_s=600,
        lasting="2m",
        summary="More than 30 % of LLM and tool calls of the last ten minutes failed.",
        description="Agents and tools has the latest errors.",
    ),
    Alert(
        "Reward drop after a promotion",
        "alerts/reward_drop",
        above=0.1,
        window_s=7 * 86_400,
        lasting="10m",
        summary="The mean reward fell by more than 0.1 since the newest checkpoint was promoted.",
        description="The promotion is the trigger's last; load the checkpoint before it into the policy server again.",
    ),
)


def text() -> str:
    """The provisioning file's text."""
    group = {
        "orgId": 1,
        "name": "leyden",
        "folder": "Leyden",
        "interval": "1m",
        "rules": [alert.to_json() for alert in ALERTS],
    }
    return json.dumps({"apiVersion": 1, "groups": [group]}, indent=2, ensure_ascii=False) + "\n"


def write(path: Path = FILE) -> Path:
    """Write the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(), encoding="utf-8")
    return path


def _step(ref: str, source: str, window_s: int, model: Json) -> Json:
    return {
        "refId": ref,
        "relativeTimeRange": {"from": window_s, "to": 0},
        "datasourceUid": source,
        "model": model,
    }

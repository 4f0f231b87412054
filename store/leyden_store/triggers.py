"""Triggers: when a saved query's rollouts are to be trained on; and firings: what came of each time."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from leyden_store import sql
from leyden_store.connection import READ_ONLY, Connection
from leyden_store.errors import LeydenError
from leyden_store.runs import new_id
from leyden_store.selection import Selection

STALE = timedelta(minutes=5)
"""A firing whose heart has not beaten for so long is dead: its process was killed."""

NEVER_H = 1e9

_SETTLE_S = 1.0
"""Longer than a claim takes to be written, and than the clocks of two collectors are apart."""


class TriggerNotFound(LeydenError):
    """No trigger has that name."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger.

    when:     a condition over FACTS, such as `new_rollouts >= 500 and mean_reward < 0.9`
    every_s:  it is looked at this often, in seconds, and trains at most this often
    train:    more words for `leyden train`, such as `--set`, `max_steps=50`
    onward:   start from the checkpoint promoted last, where there is one, instead of `model`
    max_runs_per_day, max_tokens_per_day, max_minutes: its budget: runs, and tokens of their rows, in 24 hours, and how
              long one may take; 0 is without limit
    guard:    a command that looks at the checkpoint before it is promoted; it passes with exit code 0
    promote:  policy servers that are to load a checkpoint that passed, by URL
    webhook:  where the outcome is posted as JSON; "" is nowhere
    """

    name: str
    query: str
    trainer: str
    model: str
    out: str
    when: str
    every_s: float = 60.0
    train: Sequence[str] = ()
    onward: bool = False
    max_runs_per_day: int = 0
    max_tokens_per_day: int = 0
    max_minutes: float = 0.0
    guard: Sequence[str] = ()
    promote: Sequence[str] = ()
    webhook: str = ""
    reward: str = "reward"
    paused: bool = False

    def to_json(self) -> dict[str, Any]:
        """What `leyden trigger list --json` prints."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


class FiringStatus(StrEnum):
    """How far a firing is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    """Another process was a moment earlier."""
    LOST = "lost"
    """Its process was killed; told by its heart, which stopped."""


@dataclass(frozen=True, slots=True)
class Firing:
    """One time a trigger trained. rollouts: hashes of those selected then, by which later ones are new."""

    trigger: str
    firing_id: str
    status: FiringStatus
    started_at: datetime
    heartbeat_at: datetime
    facts: Mapping[str, float] = field(default_factory=dict)
    run_id: str = ""
    checkpoint: str = ""
    policy_version: str = ""
    promoted: bool = False
    note: str = ""
    rollouts: Sequence[int] = ()
    ended_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """What `leyden trigger history --json` prints."""
        return {
            "trigger": self.trigger,
            "firing_id": self.firing_id,
            "status": str(self.status),
            "facts": dict(self.facts),
            "run_id": self.run_id,
            "checkpoint": self.checkpoint,
            "policy_version": self.policy_version,
            "promoted": self.promoted,
            "note": self.note,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
        }


@dataclass(frozen=True, slots=True)
class State:
    """What a trigger's condition is judged by, and the rollouts it was counted from."""

    facts: Mapping[str, float]
    rollouts: Sequence[int]


class Triggers:
    """The triggers of a store and their history."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def save(self, trigger: Trigger) -> None:
        """Add a trigger, or change the one of that name."""
        self._write(trigger, deleted=False)

    def delete(self, name: str) -> None:
        """Take a trigger out of use; its history stays. Raises TriggerNotFound."""
        self._write(self.get(name), deleted=True)

    def all(self) -> list[Trigger]:
        """Every trigger, by name."""
        found = self._connection.rows("SELECT Definition FROM triggers FINAL WHERE NOT Deleted ORDER BY Name")
        return [_trigger(json.loads(row["Definition"])) for row in found]

    def get(self, name: str) -> Trigger:
        """One trigger. Raises TriggerNotFound, naming the near ones."""
        found = {trigger.name: trigger for trigger in self.all()}
        if name in found:
            return found[name]
        near = difflib.get_close_matches(name, found, n=3) or sorted(found)[:5]
        hint = f"did you mean {', '.join(near)}?" if near else "add one with: leyden trigger add"
        raise TriggerNotFound(f"no trigger is called {name!r}; {hint}")

    def state(self, trigger: Trigger, selection: Selection, now: datetime) -> State:
        """What holds now. Raises QueryFailed."""
        last = self.last(trigger.name)
        text = sql.query("trigger_facts").replace("{selection}", selection.trace_ids)
        asked = {"trigger": trigger.name, "firing": last.firing_id if last else "", "reward": trigger.reward}
        (row,) = self._connection.rows(text, {**selection.parameters, **asked}, READ_ONLY)
        hashes = row.pop("hashes")
        hours = (now - last.started_at).total_seconds() / 3600 if last else NEVER_H
        return State({**{name: float(value) for name, value in row.items()}, "hours_since_run": hours}, hashes)

    def last(self, name: str) -> Firing | None:
        """The newest firing that trained to the end."""
        return next((one for one in self.firings(name) if one.status is FiringStatus.SUCCEEDED), None)

    def promoted(self, name: str) -> Firing | None:
        """The newest firing whose checkpoint was promoted."""
        return next((one for one in self.firings(name) if one.promoted), None)

    def claim(self, trigger: Trigger, state: State, now: datetime) -> Firing | None:
        """Begin a firing; None when another of this trigger is under way.

        There is no lock in ClickHouse: every claim is written, given time to be seen, and read back; of claims made
        at once the first by (time, id) stands, and the others withdraw. now: the time of the call.
        """
        if self.running(trigger.name, now):
            return None
        mine = Firing(
            trigger.name, new_id(), FiringStatus.RUNNING, now, now, facts=state.facts, rollouts=state.rollouts
        )
        self.record(mine)
        time.sleep(_SETTLE_S)
        first = min(self.running(trigger.name, now), key=lambda one: (one.started_at, one.firing_id))
        if first.firing_id != mine.firing_id:
            self.record(replace(mine, status=FiringStatus.WITHDRAWN, ended_at=now, note="another was a moment earlier"))
            return None
        return mine

    def running(self, name: str, now: datetime) -> list[Firing]:
        """The firings under way. One whose process was killed is recorded as lost."""
        under_way = []
        for one in self.firings(name):
            if one.status is not FiringStatus.RUNNING:
                continue
            if now - one.heartbeat_at > STALE:
                note = f"its process was killed: not heard of since {one.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC"
                self.record(replace(one, status=FiringStatus.LOST, ended_at=now, note=note))
            else:
                under_way.append(one)
        return under_way

    def record(self, firing: Firing) -> None:
        """Write how a firing stands."""
        self._connection.insert(
            "trigger_firings",
            [
                {
                    "Trigger": firing.trigger,
                    "FiringId": firing.firing_id,
                    "Status": str(firing.status),
                    "Facts": json.dumps(dict(firing.facts), sort_keys=True),
                    "RunId": firing.run_id,
                    "Checkpoint": firing.checkpoint,
                    "PolicyVersion": firing.policy_version,
                    "Promoted": firing.promoted,
                    "Note": firing.note,
                    # Of use once it has trained; a heart that beats need not write them each time.
                    "Rollouts": list(firing.rollouts) if firing.status is FiringStatus.SUCCEEDED else [],
                    "StartedAt": firing.started_at,
                    "HeartbeatAt": firing.heartbeat_at,
                    "EndedAt": firing.ended_at,
                    "UpdatedAt": datetime.now(UTC),
                }
            ],
        )

    def firings(self, name: str | None = None) -> list[Firing]:
        """The firings of a trigger, or of all, newest first, without their rollouts."""
        found = self._connection.rows(
            "SELECT * EXCEPT Rollouts FROM trigger_firings FINAL"
            + (" WHERE Trigger = {name:String}" if name is not None else "")
            + " ORDER BY StartedAt DESC, FiringId DESC",
            {"name": name} if name is not None else {},
        )
        return [
            Firing(
                trigger=r["Trigger"],
                firing_id=r["FiringId"],
                status=FiringStatus(r["Status"]),
                started_at=r["StartedAt"],
                heartbeat_at=r["HeartbeatAt"],
                facts=json.loads(r["Facts"]),
                run_id=r["RunId"],
                checkpoint=r["Checkpoint"],
                policy_version=r["PolicyVersion"],
                promoted=r["Promoted"],
                note=r["Note"],
                ended_at=r["EndedAt"],
            )
            for r in found
        ]

    def _write(self, trigger: Trigger, *, deleted: bool) -> None:
        row = {"Name": trigger.name, "Definition": json.dumps(trigger.to_json()), "Deleted": deleted}
        self._connection.insert("triggers", [row | {"UpdatedAt": datetime.now(UTC)}])


def _trigger(definition: Mapping[str, Any]) -> Trigger:
    fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in definition.items()}
    return Trigger(**fields)

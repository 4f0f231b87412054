"""Quarantine: requests that no store could read, set aside with the reason, to be looked at, tried again or dropped."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

from leyden_collector.intake import Signal
from leyden_collector.lanes import Lanes, quarantine_of
from leyden_collector.spool import Limits
from leyden_store.connection import Connection
from leyden_store.errors import LeydenError

_STORED_WITHIN_S = 30.0


class NotInQuarantine(LeydenError):
    """No request of that name is in quarantine; says the near ones."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """One request in quarantine. name: its file's, which begins with when it was set aside (local time)."""

    name: str
    signal: Signal
    bytes: int
    reason: str
    path: Path

    @property
    def digest(self) -> str:
        """What tells the request from others, whenever it was set aside."""
        return self.name.rpartition("-")[2]

    @property
    def at(self) -> datetime:
        """When it was set aside."""
        return datetime.strptime(self.name.partition("-")[0], "%Y%m%dT%H%M%S").astimezone()


class Quarantine:
    """The quarantine of a spool folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def items(self) -> list[SetAside]:
        """Everything in it, oldest first."""
        found = []
        signals: tuple[Signal, ...] = ("traces", "logs")
        for signal in signals:
            for path in quarantine_of(self._folder, signal).glob("*.pb"):
                said = path.with_suffix(".json")
                reason = json.loads(said.read_text(encoding="utf-8"))["reason"] if said.exists() else "not recorded"
                found.append(SetAside(path.stem, signal, path.stat().st_size, reason, path))
        return sorted(found, key=lambda item: item.name)

    def chosen(self, names: Sequence[str]) -> list[SetAside]:
        """Those of these names, or all when none is given. Raises NotInQuarantine."""
        items = {item.name: item for item in self.items()}
        for name in names:
            if name not in items:
                near = get_close_matches(name, items) or sorted(items)[:3]
                hint = f"there is {', '.join(near)}" if near else "it is empty"
                raise NotInQuarantine(f"nothing named {name!r} is in quarantine in {self._folder}; {hint}")
        return [items[name] for name in names] if names else list(items.values())

    def drop(self, items: Sequence[SetAside]) -> None:
        """Delete requests for good."""
        for item in items:
            item.path.unlink(missing_ok=True)
            item.path.with_suffix(".json").unlink(missing_ok=True)

    def retry(
        self, items: Sequence[SetAside], take: Callable[[bytes, Signal], object], settle: Callable[[], object]
    ) -> int:
        """Give requests to `take`, which returns once they are on disk, and leave them out here; how many came back.

        settle: waits until what was taken is stored, or set aside again
        """
        for item in items:
            take(item.path.read_bytes(), item.signal)
            self.drop([item])
        settle()
        again = {item.digest for item in self.items()}
        return sum(item.digest in again for item in items)

    def retry_without_collector(self, items: Sequence[SetAside], connection: Connection) -> int:
        """Try again through this spool folder, which no collector uses now; how many came back.

        Raises StoreError when a collector uses it after all. What cannot be stored now waits in the spool.
        """
        lanes = Lanes(self._folder, Limits(), connection)
        ways = {lane.signal: lane for lane in lanes.all}
        lanes.start()
        return self.retry(
            items,
            lambda body, signal: ways[signal].append(body).result(),
            lambda: lanes.stop(_STORED_WITHIN_S),
        )

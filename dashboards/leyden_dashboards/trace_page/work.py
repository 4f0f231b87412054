"""What a collector does on the page's behalf beside reading. It is plugged in: the page knows no trainers.

`grant` is what the caller may do, as the collector left it on the request; everything raises a LeydenError that says
what to do instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Exporting(Protocol):
    """Data sets made in the background, each with `export_id, format, state, error, rows, report, …`."""

    def start(self, grant: object, query: str, form: str, **options: Any) -> str:
        """Begin to export what a saved query selects; the export's id. options: `reward`, `min_reward`."""
        ...

    def get(self, grant: object, export_id: str) -> Mapping[str, Any]:
        """How one goes."""
        ...

    def all(self, grant: object) -> Sequence[Mapping[str, Any]]:
        """Those the caller may see, the newest first."""
        ...


class Training(Protocol):
    """Runs in processes of their own."""

    @property
    def trainers(self) -> Sequence[str]:
        """The names of those that are installed; empty where this collector cannot train."""
        ...

    def start(self, grant: object, query: str, trainer: str, model: str, settings: Mapping[str, str]) -> str:
        """Begin to train on what a saved query selects; the run's id."""
        ...

    def cancel(self, grant: object, run_id: str) -> None:
        """Have a run end."""
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """What there is; None where this collector does not do it. fire: lets a trigger train now, by name."""

    exporting: Exporting | None = None
    training: Training | None = None
    fire: Callable[[str], None] | None = None

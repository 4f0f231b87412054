"""What an export format is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import SUFFIXES
from leyden_store.turns import Rollout

Write = Callable[[Iterable[Rollout], Path, Options], Report]
"""Writes the rollouts to a path, whole or not at all, reading them once in the order given."""


@dataclass(frozen=True, slots=True)
class Format:
    """An export format.

    summary:  one line for people choosing a format
    suffixes: what the path may end in; "" is a folder
    """

    name: str
    summary: str
    write: Write
    suffixes: tuple[str, ...] = SUFFIXES

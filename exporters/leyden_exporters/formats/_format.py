"""What an export format is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import SUFFIXES
from leyden_store.turns import Rollout

GROUP = "leyden.exporters"
"""The entry point group of formats that others bring: each a `Format`, under the name `--format` takes."""

Write = Callable[[Iterable[Rollout], Path, Options], Report]
"""Writes the rollouts to a path, whole or not at all, reading them once in the order given."""

Beside = Callable[[Path, Mapping[str, Sequence[str]]], None]
"""Adds to a snapshot's folder what a reader of the format needs beside the rows: split → its files are given."""


@dataclass(frozen=True, slots=True)
class Format:
    """An export format.

    summary:    one line for people choosing a format
    suffixes:   what the path may end in; "" is a folder
    rows:       writes the rows alone, to a file, for formats whose `write` makes a folder
    beside:     adds further files to a snapshot
    supervised: whether replies are targets, so that a person's correction of one takes its place
    """

    name: str
    summary: str
    write: Write
    suffixes: tuple[str, ...] = SUFFIXES
    rows: Write | None = None
    beside: Beside | None = None
    supervised: bool = False

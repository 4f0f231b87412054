"""Files whose rows are made of one rollout at a time, from whatever gives rollouts.

A source that gives them unread, a parcel at a time, has its parcels read and made rows of wherever there is room: here,
or in a process beside. The file is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden_exporters.beside import in_order
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import SUFFIXES, Packing, new_rows
from leyden_exporters.sources import Parcelled, Unread
from leyden_store.reading import no_search_for_cycles
from leyden_store.turns import Rollout

RowsOf = Callable[[Rollout, Options, Report], Iterable[Mapping[str, Any]]]
"""A rollout's rows; tells the report what became of each of its LLM spans. A function of a module, or a partial of
one: the process beside finds it by name."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a parcel gave: its rows, packed, and what became of its spans."""

    rows: pa.RecordBatch
    report: Report


@dataclass(frozen=True, slots=True)
class Making:
    """What is done with a parcel."""

    rows_of: RowsOf
    options: Options
    packing: Packing

    def __call__(self, parcel: Unread) -> Made:
        """Read it and make rows of it."""
        report = Report()
        with no_search_for_cycles():
            rows = [row for one in parcel.rollouts() for row in self.rows_of(one, self.options, report)]
            return Made(self.packing.pack(rows), report)


def write_rows(
    rollouts: Iterable[Rollout],
    path: Path,
    options: Options,
    schema: pa.Schema,
    rows_of: RowsOf,
    suffixes: Collection[str] = SUFFIXES,
) -> Report:
    """Write the rows of each rollout, in the order given. Raises PathUnwritable."""
    report = Report()
    with new_rows(path, schema, suffixes) as file:
        if isinstance(rollouts, Parcelled):
            for made in in_order(Making(rows_of, options, file.packing), rollouts.parcels()):
                file.add_packed(made.rows)
                report.extend(made.report)
        else:
            for rollout in rollouts:
                for row in rows_of(rollout, options, report):
                    file.add(row)
    return report

"""What the formats made of preference pairs share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden_exporters.formats._messages import refuse_token_options
from leyden_exporters.options import Options
from leyden_exporters.pairs import Pair, pairs
from leyden_exporters.report import Report
from leyden_exporters.rows import SUFFIXES, new_rows
from leyden_store.turns import Rollout


def write_pairs(
    rollouts: Iterable[Rollout],
    path: Path,
    options: Options,
    schema: pa.Schema,
    row: Callable[[Pair], Mapping[str, Any]],
    suffixes: Collection[str] = SUFFIXES,
) -> Report:
    """Write one row per preference pair. Raises OptionsInvalid when asked for something only tokens can give."""
    refuse_token_options(options)
    report = Report()
    with new_rows(path, schema, suffixes) as file:
        for pair in pairs(rollouts, options, report):
            file.add(row(pair))
    return report

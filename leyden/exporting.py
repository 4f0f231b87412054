"""`leyden export`: from a selection to files, registered in the store with hash, report and spans."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leyden_exporters.errors import FormatUnknown
from leyden_exporters.formats import FORMATS, format_named
from leyden_exporters.options import Options
from leyden_exporters.skimmable import StoreSource, as_is
from leyden_exporters.span_formats import SPAN_FORMATS
from leyden_store.lightning import LightningStore
from leyden_store.selection import Selection
from leyden_store.turns import Rollout

Watch = Callable[[Iterable[Rollout]], Iterable[Rollout]]
"""Passes rollouts on as they are read, so that progress can be shown."""


@dataclass(frozen=True, slots=True)
class Export:
    """What was written. summary: for people; report: kept and dropped, by reason (formats made of spans drop none)."""

    dataset_id: str
    path: Path
    rows: int
    sha256: str
    report: dict[str, Any]
    summary: str

    def to_json(self) -> dict[str, Any]:
        """What `leyden export --json` prints."""
        return {
            "dataset_id": self.dataset_id,
            "path": str(self.path),
            "rows": self.rows,
            "sha256": self.sha256,
            "report": self.report,
        }


def export(
    store: LightningStore, selection: Selection, *, form: str, out: Path, options: Options, watch: Watch = as_is
) -> Export:
    """Write the selection in a format and register it; `watch` sees the rollouts pass.

    Raises FormatUnknown, PathUnwritable, SelectionEmpty.
    """
    if form in SPAN_FORMATS:
        keys = SPAN_FORMATS[form](store, selection, out)
        rows, report, summary = len(keys), {"spans": len(keys)}, f"{len(keys):,} spans"
    else:
        if form not in FORMATS and (near := [name for name in SPAN_FORMATS if name.startswith(form[:3])]):
            raise FormatUnknown(f"no export format is called {form!r}; did you mean {', '.join(near)}?")
        found = format_named(form).write(watch(StoreSource(store, selection)), out, options)
        keys = list(found.spans.kept_keys())
        rows, report, summary = found.written, found.to_json(), found.to_text()
    digest = _sha256(out)
    dataset_id = store.record_dataset(
        form=form,
        path=str(out.absolute()),
        selection=selection,
        rows=rows,
        sha256=digest,
        report=json.dumps(report, sort_keys=True),
        spans=keys,
    )
    return Export(dataset_id, out, rows, digest, report, summary)


def _sha256(path: Path) -> str:
    """Over one file, or over a folder's files in the order of their names."""
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()

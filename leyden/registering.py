"""Entering a snapshot in a store that does not know it: one made elsewhere, or whose making was cut off at the end."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from leyden_exporters.snapshots import rows_of_spans, verify
from leyden_store.datasets import Dataset
from leyden_store.lightning import LightningStore


def register(store: LightningStore, folder: Path) -> Dataset:
    """Register a snapshot with the spans its `lineage.parquet` names. Raises SnapshotBroken when it is not whole."""
    manifest = verify(folder)
    table = pq.read_table(folder / rows_of_spans.NAME, columns=["trace_id", "span_id"])
    query = manifest["query"]
    made = Dataset(
        dataset_id="",
        form=manifest["format"],
        path=str(folder.absolute()),
        kind="snapshot",
        query=query["name"],
        query_version=query["version"],
        sql=query["sql"],
        parameters=query["parameters"],
        rows=manifest["rows"],
        sha256=manifest["sha256"],
        report=manifest["report"],
        manifest=manifest,
    )
    return store.datasets.record(made, zip(table["trace_id"].to_pylist(), table["span_id"].to_pylist(), strict=True))

"""`leyden export`: from a selection to a file or a snapshot, registered in the store with hash, report and spans."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden.reading_for_export import Chosen, chosen_rollouts, merged
from leyden_exporters.curation import Recipe
from leyden_exporters.errors import OptionsInvalid
from leyden_exporters.formats import Format
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import suffix_of
from leyden_exporters.skimmable import as_is
from leyden_exporters.snapshots import (
    FileEntry,
    Manifest,
    Target,
    data_suffix,
    options_json,
    parse_target,
    write_snapshot,
)
from leyden_exporters.snapshots.target import local_file
from leyden_exporters.snapshots.writing import code_versions
from leyden_exporters.span_formats import SPAN_FORMATS, format_or_spans
from leyden_exporters.span_rows import write_rows
from leyden_store.lightning import LightningStore
from leyden_store.selection import Selection
from leyden_store.span_sets import SpanSet
from leyden_store.turns import Rollout

Watch = Callable[[Iterable[Rollout]], Iterable[Rollout]]
"""Passes rollouts on as they are read, so that progress can be shown."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to write, beside what.

    snapshot:   make a folder whatever the path's suffix; a path without one makes it anyway
    data:       what a snapshot's data files are: parquet, jsonl or jsonl.zst; None leaves it to the format
    shard_rows: rows a data file of a snapshot holds at most; None is one file
    resume:     keep what is read beside the output, and go on with it when the export was cut off
    tokenizer:  whose ids are in the rows, where they were made here rather than captured
    """

    recipe: Recipe = field(default_factory=Recipe)
    snapshot: bool = False
    data: str | None = None
    shard_rows: int | None = None
    resume: bool = False
    tokenizer: str | None = None

    def __post_init__(self) -> None:
        """Raises OptionsInvalid."""
        if self.shard_rows is not None and self.shard_rows < 1:
            raise OptionsInvalid(f"a shard holds at least 1 row, not {self.shard_rows}")


@dataclass(frozen=True, slots=True)
class Export:
    """What was written. summary: for people; report: kept and dropped, by reason (formats made of spans drop none).

    path: a path, or the URL it was written to; manifest: a snapshot's, else None
    """

    dataset_id: str
    path: str
    rows: int
    sha256: str
    report: dict[str, Any]
    summary: str
    manifest: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """What `leyden export --json` prints."""
        made = {
            "dataset_id": self.dataset_id,
            "path": self.path,
            "rows": self.rows,
            "sha256": self.sha256,
            "report": self.report,
        }
        return made if self.manifest is None else {**made, "manifest": self.manifest}


def export(
    store: LightningStore,
    selection: Selection,
    *,
    form: str,
    out: Path | str,
    options: Options,
    watch: Watch = as_is,
    plan: Plan | None = None,
) -> Export:
    """Write the selection in a format and register it; `watch` sees the rollouts pass.

    Raises FormatUnknown, OptionsInvalid, PathUnwritable, SelectionEmpty.
    """
    plan = plan or Plan()
    target = parse_target(out)
    found = format_or_spans(form, store, selection)
    as_folder = plan.snapshot or not suffix_of(target.path)
    if not as_folder and (plan.recipe.splits.fractions or plan.shard_rows or plan.data):
        raise OptionsInvalid("splits, shards and data files are a snapshot's: give --out a folder, or --snapshot")
    with ExitStack() as closing:
        if form in SPAN_FORMATS:
            if plan.recipe:
                raise OptionsInvalid(f"the format {form!r} writes spans as they are: it takes no recipe")
            chosen = Chosen.nothing_read()
        else:
            chosen = chosen_rollouts(store, selection, options, plan, found, target, watch, closing)
        if as_folder:
            made = _snapshot(store, selection, found, target, options, plan, chosen)
        else:
            made = _file(store, selection, found, target, options, chosen)
        chosen.done()
    return made


def _file(
    store: LightningStore, selection: Selection, form: Format, target: Target, options: Options, chosen: Chosen
) -> Export:
    with local_file(target) as path:
        (part,) = chosen.parts
        report = form.write(part.rollouts, path, options)
        digest = sha256_of(path)
    if not target.remote:
        write_rows(report.spans, target.path.with_name(f"{target.path.name}.report.parquet"))
    told = merged([report, *chosen.left_out])
    if chosen.curation:
        told["curation"] = [dict(step) for step in chosen.curation]
    dataset_id = store.record_dataset(
        form=form.name,
        path=target.recorded,
        selection=selection,
        rows=report.written,
        sha256=digest,
        report=json.dumps(told, sort_keys=True),
        spans=_kept([report]),
    )
    shown = target.text if target.remote else str(target.path)
    return Export(dataset_id, shown, report.written, digest, told, _summary([report], chosen))


def _snapshot(
    store: LightningStore,
    selection: Selection,
    form: Format,
    target: Target,
    options: Options,
    plan: Plan,
    chosen: Chosen,
) -> Export:
    schema = store.schema()
    used: SpanSet | None = None

    def manifesto(files: list[FileEntry], reports: Mapping[str, Report]) -> Manifest:
        nonlocal used
        used = _kept(reports.values())
        return Manifest(
            format=form.name,
            query={
                "name": selection.query,
                "version": selection.version,
                "sql": selection.sql,
                "parameters": dict(selection.parameters),
                "project": selection.project,
            },
            schema=schema,
            options=options_json(options),
            rows=sum(report.written for report in reports.values()),
            spans=len(used),
            spans_hash=used.hash,
            report=merged([*reports.values(), *chosen.left_out]),
            splits={split: report.written for split, report in reports.items()},
            files=files,
            curation=chosen.curation,
            recipe=plan.recipe.to_json() if plan.recipe else {},
            tokenizer=plan.tokenizer,
            code=code_versions(),
        )

    manifest, reports = write_snapshot(
        form,
        chosen.parts,
        target,
        options,
        manifesto,
        suffix=data_suffix(form, plan.data),
        shard_rows=plan.shard_rows,
    )
    dataset_id = store.record_dataset(
        form=form.name,
        path=target.recorded,
        selection=selection,
        rows=manifest.rows,
        sha256=manifest.sha256,
        report=json.dumps(manifest.report, sort_keys=True),
        spans=used or (),
        manifest=manifest.to_json(),
    )
    shown = target.text if target.remote else str(target.path)
    summary = _summary(list(reports.values()), chosen)
    return Export(dataset_id, shown, manifest.rows, manifest.sha256, dict(manifest.report), summary, manifest.to_json())


def sha256_of(path: Path) -> str:
    """Of one file, or over a folder's files in the order of their names."""
    digest = hashlib.sha256()
    if path.is_file():
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _kept(reports: Iterable[Report]) -> SpanSet:
    kept = [report.spans.kept_table().select(["trace_id", "span_id"]) for report in reports]
    return SpanSet(pa.concat_tables(kept))


def _summary(reports: list[Report], chosen: Chosen) -> str:
    lines = [f"{one['step']}: {one['in']:,} rollouts → {one['out']:,}" for one in chosen.curation]
    for part, report in zip(chosen.parts, reports, strict=True):
        if len(reports) > 1:
            lines.append(f"── {part.split}")
        lines.append(report.to_text())
    return "\n".join(lines)

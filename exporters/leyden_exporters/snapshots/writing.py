"""Writing snapshots: each part by its format, then the manifest and the card, all of it at once or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from leyden_exporters.errors import PathUnwritable
from leyden_exporters.files import new_folder
from leyden_exporters.formats import Format
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import shards_of
from leyden_exporters.snapshots import fates, rows_of_spans
from leyden_exporters.snapshots.card import card
from leyden_exporters.snapshots.manifest import CARD, NAME, FileEntry, Manifest, sha256_of
from leyden_exporters.snapshots.target import Target, scratch, upload_folder
from leyden_store.turns import Rollout

_WRITERS = ("leyden", "pyarrow")
"""Packages whose version may show in the bytes."""


_BESIDE = (rows_of_spans.NAME, fates.NAME)
"""Files beside the data."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a snapshot: its rollouts, in the order in which their rows are to stand."""

    split: str
    rollouts: Iterable[Rollout]


Manifesto = Callable[[list[FileEntry], dict[str, Report]], Manifest]
"""Makes the manifest of the files and of each part's report."""


def write_snapshot(
    form: Format,
    parts: Iterable[Part],
    target: Target,
    options: Options,
    manifesto: Manifesto,
    *,
    suffix: str,
    shard_rows: int | None = None,
) -> tuple[Manifest, dict[str, Report]]:
    """Write a snapshot; its manifest, and each part's report.

    suffix: of the data files, as `data_suffix` says

    A local snapshot appears by one rename, a remote one with its manifest, which is put last. Raises PathUnwritable.
    """
    if target.remote:
        with scratch() as folder:
            made = _fill(folder, form, parts, options, manifesto, suffix, shard_rows)
            upload_folder(folder, target)
            return made
    with new_folder(target.path) as folder:
        return _fill(folder, form, parts, options, manifesto, suffix, shard_rows)


def data_suffix(form: Format, asked: str | None) -> str:
    """The suffix of a snapshot's data files: what was asked for, else Parquet where the format can, else JSON Lines.

    "" is for plugins that make a folder of their own. Raises PathUnwritable for what the format cannot be written as.
    """
    files = [suffix for suffix in form.suffixes if suffix]
    if asked is None:
        return ".parquet" if ".parquet" in files else files[0] if files else ""
    wanted = asked if asked.startswith(".") else f".{asked}"
    if wanted.removesuffix(".zst") not in files or wanted == ".parquet.zst":
        can = ", ".join([suffix[1:] for suffix in files] + ["jsonl.zst"] * (".jsonl" in files)) or "a folder only"
        raise PathUnwritable(f"the format {form.name!r} is not written as {asked}; it can be {can}")
    return wanted


def code_versions() -> dict[str, str]:
    """Versions of what writes the bytes."""
    return {name: version(name) for name in _WRITERS}


def _fill(
    folder: Path,
    form: Format,
    parts: Iterable[Part],
    options: Options,
    manifesto: Manifesto,
    suffix: str,
    shard_rows: int | None,
) -> tuple[Manifest, dict[str, Report]]:
    reports: dict[str, Report] = {}
    entries: list[FileEntry] = []
    lineage, told = rows_of_spans.RowSpans(folder / rows_of_spans.NAME), fates.Fates(folder / fates.NAME)
    try:
        for part in parts:
            before = set(_files(folder))
            with shards_of(shard_rows):
                write = form.rows or form.write
                reports[part.split] = write(part.rollouts, _place(folder, part.split, suffix), options)
            entries += [_entry(path, folder, part.split) for path in _files(folder) if path not in before]
            lineage.add(part.split, reports[part.split])
            told.add(part.split, reports[part.split])
    finally:
        lineage.close()
        told.close()
    entries += [_entry(folder / name, folder, "") for name in _BESIDE]
    if form.beside is not None:
        data = {split: [one.path for one in entries if one.split == split] for split in reports}
        before = set(_files(folder))
        form.beside(folder, data)
        entries += [_entry(path, folder, "") for path in _files(folder) if path not in before]
    manifest = manifesto(sorted(entries, key=lambda one: one.path), reports)
    (folder / CARD).write_text(card(manifest), encoding="utf-8")
    (folder / NAME).write_bytes(manifest.to_bytes())
    return manifest, reports


def _place(folder: Path, split: str, suffix: str) -> Path:
    if suffix:
        return folder / f"{split}{suffix}"
    if split != "train":
        raise PathUnwritable("this format makes a folder of its own, which has no splits; choose another format")
    return folder / split


def _files(folder: Path) -> Sequence[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in _BESIDE)


def _entry(path: Path, folder: Path, split: str) -> FileEntry:
    return FileEntry(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_of(path), split)

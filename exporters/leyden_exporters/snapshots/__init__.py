"""Snapshots: immutable, content-hashed exports: data, manifest, card, and which spans each row is made of."""

from leyden_exporters.snapshots.manifest import FileEntry, Manifest, options_json, read_manifest, verify
from leyden_exporters.snapshots.rows_of_spans import RowSpans
from leyden_exporters.snapshots.target import Target, parse_target
from leyden_exporters.snapshots.writing import Part, data_suffix, write_snapshot

__all__ = [
    "FileEntry",
    "Manifest",
    "Part",
    "RowSpans",
    "Target",
    "data_suffix",
    "options_json",
    "parse_target",
    "read_manifest",
    "verify",
    "write_snapshot",
]

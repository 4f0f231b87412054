"""Manifests: what a snapshot holds and where it came from. No time, path or name of a machine stands in one.

The same selection of the same spans by the same code gives the same manifest, byte for byte, wherever it is made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from leyden_exporters.errors import SnapshotBroken
from leyden_exporters.options import Options

NAME = "manifest.json"
CARD = "README.md"
VERSION = 1


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a snapshot. path: within it, with /; split: the part it belongs to, or "" for what is no data."""

    path: str
    bytes: int
    sha256: str
    split: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A snapshot's manifest.

    query:   name, version, sql, parameters and project of the selection
    schema:  the newest migration of the store it was read from
    spans:   how many spans are in the rows; spans_hash: SHA-256 of their ids as a set
    report:  what was kept and dropped, by reason, over all parts; splits: rows of each part
    curation: each step's counts; recipe: the steps, splits and seed as asked for
    code:    versions of what wrote the bytes
    """

    format: str
    query: Mapping[str, Any]
    schema: str
    options: Mapping[str, Any]
    rows: int
    spans: int
    spans_hash: str
    report: Mapping[str, Any]
    splits: Mapping[str, int]
    files: Sequence[FileEntry]
    curation: Sequence[Mapping[str, Any]] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: str | None = None
    code: Mapping[str, str] = field(default_factory=dict)
    manifest_version: int = VERSION

    @property
    def sha256(self) -> str:
        """The snapshot's content hash: over names and hashes of the files that hold its rows."""
        digest = hashlib.sha256()
        for file in sorted(self.files, key=lambda one: one.path):
            if file.split:
                digest.update(f"{file.path}\0{file.sha256}\n".encode())
        return digest.hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The manifest with its hash, in plain JSON types."""
        return {"sha256": self.sha256, **asdict(self)}

    def to_bytes(self) -> bytes:
        """What `manifest.json` holds."""
        return (json.dumps(self.to_json(), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a snapshot. Raises SnapshotBroken where there is none, which is then no snapshot."""
    try:
        found: dict[str, Any] = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SnapshotBroken(f"{folder} is no snapshot: its {NAME} cannot be read ({error})") from error
    return found


def verify(folder: Path) -> dict[str, Any]:
    """See that every file of a snapshot is what its manifest says; the manifest. Raises SnapshotBroken."""
    manifest = read_manifest(folder)
    for file in manifest["files"]:
        path = folder / file["path"]
        if not path.is_file():
            raise SnapshotBroken(f"{path} is missing; make the snapshot again")
        if (found := sha256_of(path)) != file["sha256"]:
            raise SnapshotBroken(f"{path} was changed: its SHA-256 is {found}, the manifest says {file['sha256']}")
    return manifest


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def options_json(options: Options) -> dict[str, Any]:
    """Options as a manifest says them: what differs from the default, in plain JSON types."""
    plain = Options()
    found = {}
    for each in fields(options):
        value = getattr(options, each.name)
        if each.name != "selection" and value != getattr(plain, each.name):
            found[each.name] = sorted(value) if isinstance(value, Set) else _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return value if isinstance(value, bool | int | float | str) else getattr(value, "__name__", type(value).__name__)

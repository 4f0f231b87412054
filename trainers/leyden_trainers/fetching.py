"""Checkpoints at URLs, brought here to be loaded: once, and only when every file is as its `checkpoint.json` says."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path, PurePosixPath

from leyden_trainers.errors import ModelInvalid
from leyden_trainers.publishing import WHOLE, cache_folder


def fetched(url: str) -> Path:
    """The folder with the checkpoint of that URL. Raises ModelInvalid, saying what is wrong with it."""
    from fsspec.core import url_to_fs

    try:
        filesystem, where = url_to_fs(url.rstrip("/"))
        told = json.loads(filesystem.cat_file(f"{where}/{WHOLE}"))
    except FileNotFoundError as error:
        raise ModelInvalid(f"{url} holds no whole checkpoint: it has no {WHOLE}") from error
    except Exception as error:  # every file system has errors of its own
        raise ModelInvalid(f"{url} cannot be read: {type(error).__name__}: {error}") from error
    folder = cache_folder() / "fetched" / str(told["sha256"])[:32]
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        for name, digest in told["files"].items():
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise ModelInvalid(f"{url} names a file outside of it: {name}")
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            filesystem.get_file(f"{where}/{name}", str(scratch / name))
            with (scratch / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    raise ModelInvalid(f"{url} is not what it was: the hash of {name} is another")
        with suppress(OSError):  # somebody else was quicker, with the same
            scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder

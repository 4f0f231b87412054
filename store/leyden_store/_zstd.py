"""Zstandard, from the standard library where it has it (Python 3.14), else from its backport."""

from __future__ import annotations

import sys
from typing import IO

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def packed(file: IO[bytes]) -> zstd.ZstdFile:
    """A file to write to, whose bytes go to `file` compressed. Close it."""
    return zstd.open(file, "wb")

"""What program this process runs, told before Python has filled `sys.argv` (a sitecustomize runs that early)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_TAKES_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})


def name(argv: Sequence[str] | None = None) -> str:
    """The script's file name, the module's name after `-m`, or `python` where there is neither."""
    arguments = iter((sys.orig_argv if argv is None else argv)[1:])
    for argument in arguments:
        if argument in _TAKES_VALUE:
            next(arguments, None)
        elif argument == "-m":
            return next(arguments, "python")
        elif argument == "-c":
            return _of_code(next(arguments, ""))
        elif argument.startswith("-m") and not argument.startswith("--"):
            return argument[2:]
        elif not argument.startswith("-"):
            return os.path.basename(argument.rstrip("/")) or "python"
    return "python"


def is_helper() -> bool:
    """Whether this process runs no agent: multiprocessing's servants, and stock launchers that exec."""
    text = " ".join(sys.orig_argv[1:4])
    if "multiprocessing.resource_tracker" in text or "multiprocessing.forkserver" in text:
        return True
    return name() in {"opentelemetry-instrument", "opentelemetry-bootstrap"}


def _of_code(code: str) -> str:
    return "multiprocessing" if "multiprocessing.spawn" in code else "python"

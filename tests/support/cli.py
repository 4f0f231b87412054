"""`python -m leyden …` as people run it: a process of its own, its output and exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def clean_environment(**given: str) -> dict[str, str]:
    """This process's environment without anything that would steer Leyden, and what is given."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LEYDEN_"))} | given


class Cli:
    """Runs commands in a folder, against one store."""

    def __init__(self, folder: Path, dsn: str | None = None, *, patience_s: float = 120) -> None:
        self.folder = folder
        self.patience_s = patience_s
        self.env = clean_environment(**({"LEYDEN_STORE": dsn} if dsn else {}))

    def __call__(self, *arguments: str | Path, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command and see that it exits with `code`."""
        command = [sys.executable, "-m", "leyden", *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.env | env,
            capture_output=True,
            text=True,
            timeout=self.patience_s,
            check=False,
        )
        assert done.returncode == code, f"{command} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def lines(self, *arguments: str | Path) -> list[Any]:
        """What a command prints, one JSON value a line."""
        return [json.loads(line) for line in self(*arguments).stdout.splitlines()]

    def refused(self, *arguments: str | Path, code: int = 1, **env: str) -> str:
        """The one line a command says when it fails; it prints nothing else, and no traceback."""
        done = self(*arguments, code=code, **env)
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        return line

"""`python -m leyden …` as people run it: a process of its own, its output and exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.warm import Warm


def clean_environment(**given: str) -> dict[str, str]:
    """This process's environment without anything that would steer Leyden, and what is given."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LEYDEN_"))} | given


USUAL = clean_environment(OMP_NUM_THREADS="1")
"""The environment of a command, but for what steers Leyden; tests run two at a time, on as few cores."""
_TRAINING = Warm(
    USUAL,
    "leyden_store.lightning",
    "leyden_trainers.grpo_trainer",
    "trl.trainer.dpo_trainer",
    "trl.trainer.sft_trainer",
)
_OTHERS = Warm(USUAL, "leyden_store.lightning", "leyden_store.select_check")


class Cli:
    """Runs commands in a folder, against one store."""

    def __init__(self, folder: Path, dsn: str | None = None, *, patience_s: float = 120) -> None:
        self.folder = folder
        self.patience_s = patience_s
        self.env = clean_environment(OMP_NUM_THREADS="1", **({"LEYDEN_STORE": dsn} if dsn else {}))

    def __call__(self, *arguments: str | Path, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command and see that it exits with `code`."""
        command = [*map(str, arguments)]
        done = _run(command, self.folder, self.env | env, self.patience_s)
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


def _run(
    command: list[str], folder: Path, env: Mapping[str, str], patience_s: float
) -> subprocess.CompletedProcess[str]:
    """In a fork of a warm process, unless the environment says what is read on import."""
    if {name: value for name, value in env.items() if not name.startswith("LEYDEN_")} == USUAL:
        warm = _TRAINING if command[:1] == ["train"] else _OTHERS
        return warm.run(command, folder, env, patience_s)
    return subprocess.run(
        [sys.executable, "-m", "leyden", *command],
        cwd=folder, env=env, capture_output=True, text=True, timeout=patience_s, check=False,
    )  # fmt: skip

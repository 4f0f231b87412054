"""`python -m leyden …` as people run it: a process of its own, its output and exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.warm import Command, Warm


def clean_environment(**given: str) -> dict[str, str]:
    """This process's environment without anything that would steer Leyden, and what is given."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LEYDEN_", "PYTEST_"))} | given


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
        self.env = USUAL | ({"LEYDEN_STORE": dsn} if dsn else {})

    def __call__(self, *arguments: str | Path, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command and see that it exits with `code`."""
        command = [*map(str, arguments)]
        asked = self.env | env
        if warm := _warm(command, asked):
            done = warm.run(command, self.folder, asked, self.patience_s)
        else:
            done = subprocess.run(
                [sys.executable, "-m", "leyden", *command],
                cwd=self.folder, env=asked, capture_output=True, text=True, timeout=self.patience_s, check=False,
            )  # fmt: skip
        assert done.returncode == code, f"{command} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *arguments: str | Path) -> Command:
        """Start a command whose stderr is a pipe to this process; what it prints is nobody's."""
        command = [*map(str, arguments)]
        warm = _warm(command, self.env)
        assert warm, "an environment that is read on import"
        read, write = os.pipe()
        with open(os.devnull, "w") as nobody, open(write, "w") as stderr:
            return warm.start(command, self.folder, self.env, nobody.fileno(), stderr.fileno(), os.fdopen(read))

    def lines(self, *arguments: str | Path) -> list[Any]:
        """What a command prints, one JSON value a line."""
        return [json.loads(line) for line in self(*arguments).stdout.splitlines()]

    def refused(self, *arguments: str | Path, code: int = 1, **env: str) -> str:
        """The one line a command says when it fails; it prints nothing else, and no traceback."""
        done = self(*arguments, code=code, **env)
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        return line


def _warm(command: list[str], env: Mapping[str, str]) -> Warm | None:
    """What can run it; nothing can where the environment says what is read on import."""
    if {name: value for name, value in env.items() if not name.startswith("LEYDEN_")} != USUAL:
        return None
    return _TRAINING if command[:1] == ["train"] else _OTHERS

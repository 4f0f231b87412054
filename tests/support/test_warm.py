"""A command of a warm process is as one of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import USUAL, Cli
from tests.support.warm import Warm

SAYS = 'echo $(pwd) "$@" $LEYDEN_X; echo ! >&2; exit 7'


@pytest.fixture(scope="module")
def warm() -> Warm:
    return Warm(USUAL, "leyden.cli")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["traces", "--help"],
        ["nope"],
        [],
        ["traces", "--store", "chdb:///dev/null/x"],
    ],
)
def test_it_says_the_same_and_exits_with_the_same_code(warm: Warm, tmp_path: Path, arguments: list[str]) -> None:
    env = USUAL | {"LEYDEN_X": "x"}
    own = subprocess.run(
        [sys.executable, "-m", "leyden", *arguments],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    forked = warm.run(arguments, tmp_path, env, 60)
    assert (forked.returncode, forked.stdout, forked.stderr) == (own.returncode, own.stdout, own.stderr)


def test_one_leaves_nothing_for_the_next(warm: Warm, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for folder, env in ((tmp_path, {"LEYDEN_X": "x"}), (tmp_path / "other", {})):
        done = warm.run(["run", "--", "sh", "-c", SAYS, "sh", "a b", "*"], folder, USUAL | env, 60)
        assert done.stdout == " ".join([str(folder), "a b", "*", *env.values()]) + "\n"
        assert (done.returncode, done.stderr) == (7, "!\n")


def test_one_that_takes_too_long_is_ended(warm: Warm, tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        warm.run(["run", "--", "sleep", "3"], tmp_path, USUAL, 1)


def test_one_that_is_started_is_told_of_and_killed_as_any_process(tmp_path: Path) -> None:
    with Cli(tmp_path).start("run", "--", "sh", "-c", "echo begun >&2; sleep 60") as command:
        assert command.stderr is not None
        with command.stderr:
            assert command.stderr.readline() == "begun\n"
        with pytest.raises(subprocess.TimeoutExpired):
            command.wait(0.1)
        command.kill()
    assert command.wait() == command.returncode == -signal.SIGKILL


def test_what_is_read_on_import_needs_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(9)")
    Cli(tmp_path)("--version", code=9, PYTHONPATH=str(tmp_path))

"""Output appears whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from leyden_exporters.errors import FormatUnknown, PathUnwritable
from leyden_exporters.formats import FORMATS, format_named
from leyden_exporters.options import Options
from leyden_store.turns import Rollout
from tests.exporters.making import WAYS, said, single


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ""])
def test_a_failure_midway_leaves_the_old_file_or_nothing(tmp_path: Path, suffix: str) -> None:
    def breaking() -> Iterator[Rollout]:
        yield single("a", "g", 1.0)
        raise ConnectionError("the store went away")

    with pytest.raises(ConnectionError):
        FORMATS["trajectories"].write(breaking(), tmp_path / f"out{suffix}", Options())
    assert list(tmp_path.iterdir()) == []
    if suffix:
        FORMATS["trajectories"].write([single("a", "g", 1.0)], tmp_path / f"out{suffix}", Options())
        before = (tmp_path / f"out{suffix}").read_bytes()
        with pytest.raises(ConnectionError):
            FORMATS["trajectories"].write(breaking(), tmp_path / f"out{suffix}", Options())
        assert (tmp_path / f"out{suffix}").read_bytes() == before


def test_a_killed_export_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from leyden_exporters.formats import FORMATS\n"
        "from leyden_exporters.options import Options\n"
        "def rollouts():\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "    yield\n"
        "FORMATS['trajectories'].write(rollouts(), Path(sys.argv[1]), Options())\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "out.jsonl")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(("name", "suffix"), WAYS)
def test_the_same_input_gives_the_same_bytes(tmp_path: Path, name: str, suffix: str) -> None:
    asked = [said("user", "?")]
    rollouts = [
        single(f"r{n}", "g", float(n), messages=asked, response=said("assistant", f"answer {n}")) for n in range(3)
    ]
    for folder in ("one", "two"):  # of one name: what some formats say of a row's split
        (tmp_path / folder).mkdir()
        FORMATS[name].write(iter(rollouts), tmp_path / folder / f"train{suffix}", Options())
    one, two = (
        [file.read_bytes() for file in _files(tmp_path / folder / f"train{suffix}")] for folder in ("one", "two")
    )
    assert one == two
    assert all(one)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.iterdir())


def test_a_missing_parent_folder_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(PathUnwritable, match="does not exist, create it first") as raised:
        FORMATS["turns"].write([], tmp_path / "no" / "such" / "out.jsonl", Options())
    assert "\n" not in str(raised.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PathUnwritable, match="Permission denied"):
        FORMATS["turns"].write([], tmp_path / "out.jsonl", Options())


def test_a_folder_where_a_file_is_meant(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").mkdir()
    with pytest.raises(PathUnwritable, match="is a folder"):
        FORMATS["turns"].write([], tmp_path / "out.jsonl", Options())


def test_two_exports_never_mix_in_one_folder(tmp_path: Path) -> None:
    FORMATS["turns"].write([], tmp_path / "out", Options())
    with pytest.raises(PathUnwritable, match="already exists"):
        FORMATS["turns"].write([], tmp_path / "out", Options())


def test_a_suffix_that_means_nothing(tmp_path: Path) -> None:
    with pytest.raises(PathUnwritable, match=r"\.csv"):
        FORMATS["turns"].write([], tmp_path / "out.csv", Options())


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    def full() -> Iterator[Rollout]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield

    with pytest.raises(PathUnwritable, match="No space left"):
        FORMATS["turns"].write(full(), tmp_path / "out.jsonl", Options())


def test_an_unknown_format_names_the_near_ones() -> None:
    with pytest.raises(FormatUnknown, match="trl-sft"):
        format_named("trl_sft")

"""An embedded store belongs to one process: the others are told whose it is, or how to reach it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leyden_store.errors import StoreError, StoreLocked
from leyden_store.holder import Holder, HolderInfo, hold, read_holder
from leyden_store.lightning import LightningStore


@contextmanager
def held(path: Path, then: str = "") -> Iterator[subprocess.Popen[str]]:
    """The store open in a process of its own."""
    program = (
        "import sys, time\nfrom leyden_store.lightning import LightningStore\n"
        f"store = LightningStore.open('chdb://{path}')\n{then}\nprint('held', flush=True)\ntime.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, "an argument"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_who_opens_a_held_store_is_told_by_whom_and_what_to_do(tmp_path: Path) -> None:
    with held(tmp_path) as process:
        with pytest.raises(StoreLocked, match=f"held by process {process.pid} \\(-c an argument\\)") as caught:
            hold(tmp_path, wait_s=0.2)
        assert "stop it" in str(caught.value)


def test_a_short_command_is_waited_for(tmp_path: Path) -> None:
    with held(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        holder = hold(tmp_path, wait_s=5)
        assert isinstance(holder, Holder)
        holder.release()


def test_a_killed_holder_leaves_a_store_that_opens_with_all_it_stored(tmp_path: Path) -> None:
    write = (
        "from leyden_store.turns import PostedReward\nstore.add_rewards([PostedReward('reward', 1.0, rollout_id='r')])"
    )
    with held(tmp_path, write) as process:
        process.kill()
        process.wait()
        assert read_holder(tmp_path) is not None  # its word stands, but not its lock
        with LightningStore.open(f"chdb://{tmp_path}") as store:
            assert store.stats()["rewards"] == 1
            info = read_holder(tmp_path)
            assert info is not None
            assert info.pid == os.getpid()


def test_a_holder_with_a_gateway_is_found(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    assert isinstance(holder, Holder)
    holder.announce("http://127.0.0.1:1/clickhouse", "secret")
    found = hold(tmp_path, wait_s=0)
    assert isinstance(found, HolderInfo)
    assert (found.url, found.token, found.pid) == ("http://127.0.0.1:1/clickhouse", "secret", os.getpid())
    holder.release()
    holder.release()
    assert read_holder(tmp_path) is None


def test_one_that_is_about_to_end_is_waited_for_again(tmp_path: Path) -> None:
    """What begins while a collector ends is not to ask it."""
    holder = hold(tmp_path)
    assert isinstance(holder, Holder)
    holder.announce("http://127.0.0.1:1/clickhouse", "secret")
    holder.withdraw()
    with pytest.raises(StoreLocked, match="serves no gateway"):
        hold(tmp_path, wait_s=0.1)
    holder.release()


def test_the_token_is_private_to_its_owner(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    assert isinstance(holder, Holder)
    holder.announce("http://127.0.0.1:1/clickhouse", "secret")
    assert stat.S_IMODE((tmp_path / "holder.json").stat().st_mode) == 0o600
    assert json.loads((tmp_path / "holder.json").read_text())["token"] == "secret"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["holder.json", "holder.lock"]
    holder.release()


def test_a_program_the_holder_starts_does_not_keep_the_store(tmp_path: Path) -> None:
    start = "import subprocess\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3)'], close_fds=False)"
    with held(tmp_path, start) as process:
        process.kill()
        process.wait()
        holder = hold(tmp_path, wait_s=1)
        assert isinstance(holder, Holder)
        holder.release()


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot use .*file.* as a store folder.*choose another"):
        hold(tmp_path / "file" / "store")


def test_a_damaged_holder_file_is_nobodys_word(tmp_path: Path) -> None:
    for text in ("", "[]", '{"pid": 1}', "{"):
        (tmp_path / "holder.json").write_text(text)
        assert read_holder(tmp_path) is None


def test_a_store_closed_opens_again(tmp_path: Path) -> None:
    for _ in range(2):
        with LightningStore.open(f"chdb://{tmp_path}") as store:
            assert store.stats()["spans"] == 0
    assert read_holder(tmp_path) is None

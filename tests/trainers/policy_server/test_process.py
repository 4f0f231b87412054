"""The policy server as a process: it says where it is, and ends when told to."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx

COMMAND = [sys.executable, "-m", "leyden", "serve"]


def test_it_prints_its_url_when_ready_and_ends_cleanly_on_sigterm(tiny: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "--model", str(tiny), "--port", "0", "--policy-version", "v3", "--threads", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(url.removesuffix("/v1") + "/health").json()["policy_version"] == "v3"
    finally:
        process.send_signal(signal.SIGTERM)
        said, errors = process.communicate(timeout=30)
    assert (process.returncode, said, errors) == (0, "", "")


def test_a_folder_without_a_model_is_one_clear_line(tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "--model", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"leyden: {tmp_path} holds no model: it has no config.json\n"

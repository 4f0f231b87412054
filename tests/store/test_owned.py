"""A server that a command started for itself ends with it, even where that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SERVER = """
import os, sys, time
from leyden_store.owned import end_with_owner
end_with_owner()
print(os.getpid(), "LEYDEN_OWNER" in os.environ, flush=True)
time.sleep(60)
"""
OWNER = f"""
import os, subprocess, sys, time
from leyden_store.owned import owned
subprocess.Popen([sys.executable, "-c", {SERVER!r}], env=owned(os.environ))
time.sleep(60)
"""


def test_it_ends_when_its_owner_is_killed_and_not_before() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid, inherited = owner.stdout.readline().split()
        time.sleep(0.5)
        assert runs(pid)
        owner.kill()
        deadline = time.monotonic() + 20
        while runs(pid):
            assert time.monotonic() < deadline, "it outlives its owner"
            time.sleep(0.05)
    assert inherited == "False", "what it starts itself is its own"


def runs(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_one_without_an_owner_goes_on() -> None:
    env = {name: value for name, value in os.environ.items() if name != "LEYDEN_OWNER"}
    with subprocess.Popen([sys.executable, "-c", SERVER], env=env, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        time.sleep(0.5)
        assert server.poll() is None
        server.terminate()
    assert server.returncode == -signal.SIGTERM

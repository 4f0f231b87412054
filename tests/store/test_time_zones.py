"""An embedded store says the same wherever its processes think they are: written in one zone, read in another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from leyden_store.lightning import LightningStore
from tests.support.cli import clean_environment
from tests.support.otlp_making import chat, put

ROOT = Path(__file__).parents[2]

DAY_NS = 1_790_000_000 * 10**9 // (86_400 * 10**9) * 86_400 * 10**9
"""A midnight in UTC."""

WRITE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.store.test_time_zones import write
write(sys.argv[1])
"""

READ = """
import sys, time
from leyden_store.lightning import LightningStore
with LightningStore.open(sys.argv[1]) as store:
    print(len(list(store.turns())), time.localtime(0).tm_hour)
"""


def write(dsn: str) -> None:
    """A call every ten minutes of a day, each a rollout of its own."""
    with LightningStore.open(dsn) as store:
        for n in range(144):
            resource = {"leyden.rollout.id": f"r{n}"}
            put(store, [chat(1, trace=n + 1, at_ns=DAY_NS + n * 600 * 10**9, resource=resource)])


def run_in(zone: str, program: str, dsn: str) -> str:
    command = [sys.executable, "-c", program, dsn]
    env = clean_environment(TZ=zone)
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120).stdout.strip()


@pytest.mark.parametrize(
    ("written", "read", "hour"), [("Asia/Kolkata", "America/New_York", 19), ("UTC", "Asia/Kathmandu", 5)]
)
def test_what_is_written_in_one_zone_is_read_in_another(written: str, read: str, hour: int, tmp_path: Path) -> None:
    run_in(written, WRITE, f"chdb://{tmp_path}/store")
    assert run_in(read, READ, f"chdb://{tmp_path}/store") == f"144 {hour}"

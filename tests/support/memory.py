"""How much memory a collector took, for the tests that say it stays bounded."""

from __future__ import annotations

from pathlib import Path

from tests.support.collector import Collector


def peak_memory(collector: Collector) -> int:
    """The most it was ever resident, in bytes."""
    assert collector.process is not None
    text = Path(f"/proc/{collector.process.pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) << 10

"""CPU seconds of a benchmark's processes, by their part in it. Unlike times, they hardly depend on who else runs."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path

PARTS = {"policy_server": "policy server", "leyden_instrumentation.tasks": "agents", " up ": "collector"}
"""What a process's command holds, and what it is."""

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_by_part() -> Counter[str]:
    """CPU seconds that this process, "trainer", and those it started have used so far."""
    children: dict[int, list[int]] = defaultdict(list)
    used: dict[int, float] = {}
    commands: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            commands[pid := int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it has just ended
        children[int(fields[1])].append(pid)
        used[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
    found = Counter({"trainer": used[os.getpid()]})
    for pid in children[os.getpid()]:
        part = next((name for word, name in PARTS.items() if word in commands[pid]), None)
        if part is not None:
            found[part] += used[pid]
    return found

"""Leyden's collector in a process of its own, over an embedded store or a ClickHouse server."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where it takes spans."""

    http: str
    grpc: str


class Leyden:
    """`leyden up` over a store; a context manager that gives where it listens."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self._command = [
            sys.executable, "-m", "leyden", "up", "--store", dsn, "--http-port", "0", "--spool", str(folder / "spool"),
        ]  # fmt: skip
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Endpoints:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("LEYDEN_", "OTEL_"))}
        self._process = subprocess.Popen(
            self._command, cwd=self._folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()
        said = ""
        while line := lines.get(timeout=60):
            said += line
            if line.startswith("Leyden takes traces at "):
                words = [word for word in line.split() if word.startswith("http://")]
                return Endpoints(words[0], words[1])
        raise RuntimeError(f"the collector did not start:\n{said}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(40)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def resident(self) -> int:
        """Bytes resident now."""
        assert self._process is not None
        return int(psutil.Process(self._process.pid).memory_info().rss)

    @property
    def pid(self) -> int:
        """Of its process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def _read(self, lines: queue.Queue[str]) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout:
            for line in self._process.stdout:
                lines.put(line)
        lines.put("")


def count_embedded(at: Endpoints) -> int:
    """Rows of spans that a reader of the embedded store sees, through the gateway."""
    request = urllib.request.Request(f"{at.http}/clickhouse", b"SELECT count() FROM otel_traces", method="POST")
    with urllib.request.urlopen(request, timeout=60) as response:
        return int(response.read())

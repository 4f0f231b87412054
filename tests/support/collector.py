"""A real collector for tests: `leyden up` in a process of its own, and small ways to talk to it."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Answer:
    """What an HTTP request was answered."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def ask(
    url: str, body: bytes | None = None, *, method: str | None = None, timeout: float = 30.0, **headers: str
) -> Answer:
    """One HTTP request; header names have _ for -. Every status is an answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body, named, method=method)
    if body is not None and "content-type" not in (name.lower() for name in named):
        request.add_unredirected_header("Content-Type", PROTOBUF)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return Answer(response.status, response.read(), {k.lower(): v for k, v in response.headers.items()})
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(), {k.lower(): v for k, v in error.headers.items()})


class Collector:
    """`leyden up` over a store, as a context manager; it is ready when the block begins."""

    def __init__(
        self, dsn: str, folder: Path, *arguments: str, program: str = "", env: dict[str, str] | None = None
    ) -> None:
        """program: Python to run first in its process, e.g. to set a smaller limit."""
        self.dsn = dsn
        self.folder = folder
        self.url = ""
        self.grpc = ""
        self._arguments = arguments
        self._program = program
        self._env = {k: v for k, v in os.environ.items() if not k.startswith(("LEYDEN_", "OTEL_"))} | (env or {})
        self.process: subprocess.Popen[str] | None = None
        self.log = ""

    def __enter__(self) -> Collector:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def start(self) -> None:
        """Start the process and wait until it takes requests."""
        program = f"import sys\n{self._program}\nfrom leyden.cli import main\nsys.exit(main(sys.argv[1:]))"
        command = [
            sys.executable,
            "-c",
            program,
            "up",
            "--store",
            self.dsn,
            "--http-port",
            "0",
            "--spool",
            str(self.spool),
        ]
        self.process = subprocess.Popen(
            [*command, *self._arguments],
            cwd=self.folder, env=self._env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, args=(self.process, lines), daemon=True).start()
        while True:
            line = lines.get(timeout=60)
            if not line:
                raise AssertionError(f"the collector did not start:\n{self.log}")
            if line.startswith("Leyden takes traces at "):
                self.url = line.partition(" at ")[2].split()[0]
                self.grpc = line.partition(" and ")[2].split()[0] if "OTLP/gRPC" in line else ""
                return

    def _read(self, process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.log += line
                lines.put(line)
        lines.put("")

    def kill(self) -> None:
        """kill -9, if it still runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self, number: int = signal.SIGTERM, *, timeout: float = 40.0) -> int:
        """Ask it to end; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def send(self, body: bytes, **headers: str) -> Answer:
        """Post an OTLP request."""
        return ask(f"{self.url}/v1/traces", body, **headers)

    def flush(self) -> Answer:
        """Wait until all it acknowledged is stored."""
        return ask(f"{self.url}/api/flush", b"", method="POST", timeout=60)

    def query(self, sql: str, **headers: str) -> Answer:
        """Ask its gateway, as a stranger."""
        return ask(f"{self.url}/clickhouse", sql.encode(), content_type="text/plain", **headers)

    def metrics(self) -> dict[str, float]:
        """Its metrics by name."""
        text = ask(f"{self.url}/metrics").body.decode()
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

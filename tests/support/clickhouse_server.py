"""A real ClickHouse server for tests, in a process of its own on free ports of 127.0.0.1.

`LEYDEN_TEST_CLICKHOUSE` (a DSN whose user may create databases) names one that runs already. Otherwise the chDB
library from npm is that server: its entry point is clickhouse-local's main, which can listen. The library is kept in
the user's cache folder. Run as a program, this file is the server's process.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect

PACKAGE = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1"

_FOREVER = (
    "SELECT sleepEachRow(1) FROM numbers(100000000) "
    "SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 100000000000"
)


class Unavailable(Exception):
    """No server can be had here; says why."""


def library() -> Path:
    """The server's library, fetched through npm the first time. Raises Unavailable."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leyden-tests"
    kept = cache / f"{PACKAGE.rpartition('@')[2]}.libchdb.so"
    if kept.exists():
        return kept
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        raise Unavailable(f"{PACKAGE} is for Linux on x86-64")
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("npm is not installed, which fetches the server's library")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests that run beside each other fetch it once
        if not kept.exists():
            _fetch(npm, cache, kept)
    return kept


def _fetch(npm: str, cache: Path, kept: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        try:
            subprocess.run([npm, "pack", PACKAGE], cwd=folder, check=True, capture_output=True, text=True, timeout=280)
        except subprocess.CalledProcessError as error:
            raise Unavailable(f"npm pack {PACKAGE} failed: {' '.join(error.stderr.split())[:300]}") from error
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"npm pack {PACKAGE} took too long") from error
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as packed:
            packed.extract("package/libchdb.so", folder, filter="data")
        (Path(folder) / "package" / "libchdb.so").replace(kept)


class ClickHouseServer:
    """A server over a folder, which outlives it: `stop` and `start` again find the same data."""

    def __init__(self, folder: Path, *, users: str = "", config: str = "", native_port: int = 0) -> None:
        """users: an XML file's text that names further users, whom `default` may not make by SQL here.

        config: further elements of its configuration, such as a cluster that names `native_port` (0 takes a free one)
        """
        self.folder = folder
        self.users = users
        self.config = config
        self.native_port = native_port
        self.port = 0
        self._library = library()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        self.port, native = free_port(), self.native_port or free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self._configure() if self.users or self.config else ""
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(self._library), str(self.folder), str(self.port), str(native), config],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while True:
            with suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=2).close()
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise Unavailable(f"the ClickHouse server did not start; see {self.folder}.log")
            time.sleep(0.05)

    def _configure(self) -> str:
        """Write the files of its configuration; the path of the one that names the others."""
        config, users = (self.folder.with_name(f"{self.folder.name}-{kind}.xml") for kind in ("config", "users"))
        named = f"<users_config>{users}</users_config>" if self.users else ""
        config.write_text(f"<clickhouse>{self.config}{named}</clickhouse>")
        users.write_text(self.users)
        return str(config)

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        """Of its process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def dsn(self, database: str = "default", *, port: int | None = None) -> str:
        """The DSN of one of its databases."""
        return f"clickhouse://default@127.0.0.1:{port or self.port}/{database}"


def new_database(dsn: str) -> str:
    """Create a database of a fresh name on the server of a DSN; the DSN of it."""
    parts = urlsplit(dsn)
    name = f"leyden_test_{uuid.uuid4().hex[:12]}"
    with clickhouse_connect.get_client(dsn=dsn) as client:
        client.command(f"CREATE DATABASE {name}")
    return parts._replace(path=f"/{name}").geturl()


def drop_database(dsn: str) -> None:
    """Drop what `new_database` created."""
    parts = urlsplit(dsn)
    with clickhouse_connect.get_client(dsn=parts._replace(path="/default").geturl()) as client:
        client.command(f"DROP DATABASE IF EXISTS {parts.path.strip('/')} SYNC")


class Proxy:
    """A TCP port of its own in front of a server whose port changes when it restarts. A context manager."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    near.close()
                    continue
                threading.Thread(target=self.forward, args=(near, far), daemon=True).start()

    def forward(self, near: socket.socket, far: socket.socket) -> None:
        """What becomes of one connection: bytes go both ways until both ends are done."""
        threading.Thread(target=pump, args=(near, far), daemon=True).start()
        pump(far, near)


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Send on what comes, until no more does."""
    with source, suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _serve(library_path: str, folder: str, http_port: str, tcp_port: str, config: str) -> None:
    arguments = [
        "clickhouse", *([f"--config-file={config}"] if config else []), f"--path={folder}",
        "--output-format=TabSeparated", "--listen_host=127.0.0.1",
        f"--http_port={http_port}", f"--tcp_port={tcp_port}",
        "--query", f"SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; {_FOREVER}",
    ]  # fmt: skip
    engine = ctypes.CDLL(library_path)
    engine.query_stable_v2.restype = ctypes.c_void_p
    engine.query_stable_v2(len(arguments), (ctypes.c_char_p * len(arguments))(*(a.encode() for a in arguments)))


@contextmanager
def server_or_skip(folder: Path, *, users: str = "") -> Iterator[ClickHouseServer]:
    """A server over `folder`, with `users` as it takes them.

    Where none can be had the test says so and is skipped; in CI it fails.
    """
    import pytest  # here: the server's own process has no use for it

    try:
        server = ClickHouseServer(folder, users=users)
        server.start()
    except Unavailable as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no ClickHouse server to test with: {error}")
        pytest.skip(f"NOT RUN, no ClickHouse server to test with: {error} (name one in LEYDEN_TEST_CLICKHOUSE)")
    try:
        yield server
    finally:
        server.kill()


if __name__ == "__main__":
    _serve(*sys.argv[1:])

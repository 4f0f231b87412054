"""Processes that have imported what takes long and fork for every command, which then begins at once.

`python -m tests.support.warm FD MODULE …` is one; `Warm` starts it when first asked, and it ends with who asked.
A fork runs `python -m leyden` to the interpreter's end, in a folder and an environment of its own. Nothing that is
imported before may start threads: the engine is not.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Self

_ROOT = Path(__file__).parents[2]
_LONGEST = 1 << 17
"""Bytes of a command with its environment."""
_PACKET = 32
"""Bytes of an answer: the command's process, then its exit code."""


class Warm:
    """A warm process, for commands in its environment and others that differ from it in nothing read on import."""

    def __init__(self, env: Mapping[str, str], *modules: str) -> None:
        self._env = env
        self._modules = modules
        self._control: socket.socket | None = None

    def run(
        self, arguments: Sequence[str], folder: Path, env: Mapping[str, str], patience_s: float
    ) -> subprocess.CompletedProcess[str]:
        """As `subprocess.run` of `python -m leyden` with these arguments would."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            with self.start(arguments, folder, env, out.fileno(), err.fileno()) as command:
                try:
                    code = command.wait(patience_s)
                except subprocess.TimeoutExpired:
                    command.kill()
                    raise
            for file in (out, err):
                file.seek(0)
            return subprocess.CompletedProcess([*arguments], code, out.read(), err.read())

    def start(
        self,
        arguments: Sequence[str],
        folder: Path,
        env: Mapping[str, str],
        stdout: int,
        stderr: int,
        said: IO[str] | None = None,
    ) -> Command:
        """As `subprocess.Popen` would; the files are the command's, and stay open here.

        said: the other end of its stderr, where that is a pipe
        """
        if self._control is None:
            self._control = self._started()
        near, far = _packets()
        asked = json.dumps({"arguments": [*map(str, arguments)], "folder": str(folder), "env": dict(env)})
        with far:
            socket.send_fds(self._control, [asked.encode()], [far.fileno(), stdout, stderr])
        return Command([*map(str, arguments)], near, said)

    def _started(self) -> socket.socket:
        near, far = _packets()
        with far:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm", str(far.fileno()), *self._modules],
                cwd=_ROOT, env=self._env, pass_fds=[far.fileno()], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        atexit.register(process.wait)
        atexit.register(near.close)  # is called first
        return near


class Command:
    """One that a warm process forked for: of `subprocess.Popen` as much as tests use."""

    def __init__(self, arguments: list[str], told: socket.socket, stderr: IO[str] | None) -> None:
        self.args = arguments
        self.stderr = stderr
        self.returncode: int | None = None
        self._told = told
        self.pid = int(told.recv(_PACKET))

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended; that of a signal is less than 0."""
        if self.returncode is None:
            self._told.settimeout(timeout)
            try:
                self.returncode = int(self._told.recv(_PACKET))
            except TimeoutError:
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._told.close()
        return self.returncode

    def kill(self) -> None:
        """kill -9, if it still runs."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        """Send it, if the command still runs."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.stderr is not None:
            self.stderr.close()
        self.wait()


def _packets() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _serve(control: socket.socket) -> None:
    """Returns in the fork for a command, everything set for it; and where whoever asks is gone, exits."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, files, _, _ = socket.recv_fds(control, _LONGEST, 3)
        if not asked:
            raise SystemExit
        if os.fork() == 0:
            break
        for file in files:
            os.close(file)
    control.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    answer = socket.socket(fileno=files[0])
    pid = os.fork()
    if pid:
        answer.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        answer.send(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    answer.close()
    for file, standard in zip(files[1:], (1, 2), strict=True):
        os.dup2(file, standard)
        os.close(file)
    command = json.loads(asked)
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["env"])
    sys.path[0] = command["folder"]
    sys.argv = ["leyden", *command["arguments"]]


if __name__ == "__main__":
    for module in sys.argv[2:]:
        import_module(module)
    gc.freeze()  # a fork that looked through it all would copy it
    _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("leyden", run_name="__main__", alter_sys=True)

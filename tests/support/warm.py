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
from importlib import import_module
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_LONGEST = 1 << 17
"""Bytes of a command with its environment."""


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
        if self._control is None:
            self._control = self._started()
        near, far = socket.socketpair()
        near.settimeout(patience_s)
        asked = json.dumps({"arguments": [*map(str, arguments)], "folder": str(folder), "env": dict(env)})
        with near, tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            with far:
                socket.send_fds(self._control, [asked.encode()], [far.fileno(), out.fileno(), err.fileno()])
            with near.makefile() as said:
                pid = int(said.readline())
                try:
                    code = int(said.readline())
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired([*arguments], patience_s) from None
            for file in (out, err):
                file.seek(0)
            return subprocess.CompletedProcess([*arguments], code, out.read(), err.read())

    def _started(self) -> socket.socket:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm", str(far.fileno()), *self._modules],
                cwd=_ROOT, env=self._env, pass_fds=[far.fileno()], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        atexit.register(process.wait)
        atexit.register(near.close)  # is called first
        return near


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
        answer.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        answer.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
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

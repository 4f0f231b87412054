"""Run a command with the clients' base URLs pointing at a replaying server: `python -m examples.replay -- CMD…`."""

from __future__ import annotations

import os
import subprocess
import sys

from examples.replay.server import ReplayServer


def main(arguments: list[str]) -> int:
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        print("usage: python -m examples.replay -- CMD…", file=sys.stderr)
        return 2
    with ReplayServer() as server:
        return subprocess.run(command, env={**os.environ, **server.env()}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

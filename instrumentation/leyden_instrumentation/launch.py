"""The environment that makes a Python program record itself: what `leyden run` starts a command with.

eval "$(python -m leyden_instrumentation.launch)"      # the same by hand, for this shell
"""

from __future__ import annotations

import os
import shlex
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

from leyden_instrumentation import settings


def bootstrap_path() -> str:
    """The folder that, first on PYTHONPATH, turns the capture on in every Python program started."""
    return str(Path(__file__).parent / "bootstrap")


def without_bootstrap(python_path: str) -> str:
    """The search path without our folder."""
    return os.pathsep.join(p for p in python_path.split(os.pathsep) if p and p != bootstrap_path())


def environment(
    base: Mapping[str, str],
    *,
    endpoint: str | None = None,
    rollout_id: str | None = None,
    group_id: str | None = None,
    attempt: int | None = None,
    project: str | None = None,
    policy_version: str | int | None = None,
) -> dict[str, str]:
    """`base`, with what records a program started in it as one rollout.

    What is given here wins over `base`; what `base` sets otherwise is kept. A rollout id is made where neither has one.

    endpoint: the collector's base URL, e.g. http://127.0.0.1:4318
    """
    env = dict(base)
    rest = without_bootstrap(env.get("PYTHONPATH", ""))
    env["PYTHONPATH"] = bootstrap_path() + (os.pathsep + rest if rest else "")
    env.setdefault("OTEL_PYTHON_DISTRO", "leyden")
    env.setdefault("OTEL_PYTHON_CONFIGURATOR", "leyden")
    if endpoint is not None:
        env["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        env.pop("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", None)
    given = {
        settings.ROLLOUT_ID: rollout_id,
        settings.GROUP_ID: group_id,
        settings.ATTEMPT: attempt,
        settings.PROJECT: project,
        settings.POLICY_VERSION: policy_version,
    }
    env.update({name: str(value) for name, value in given.items() if value is not None})
    if not env.get(settings.ROLLOUT_ID):
        env[settings.ROLLOUT_ID] = uuid.uuid4().hex
    return env


def main() -> int:
    """Print the `export` lines of `environment`, without a rollout id: that is for each run to have its own."""
    for name, value in sorted(environment(os.environ).items()):
        if name != settings.ROLLOUT_ID and os.environ.get(name) != value:
            print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Turning the capture on in this process: the bootstrap folder does it at start, the task runner if nobody has."""

from __future__ import annotations

import os

from leyden_instrumentation.launch import without_bootstrap


def activate() -> None:
    """Set OpenTelemetry up with our distro, once. Does nothing where it has been done, whoever did it."""
    # Imported here: a process that is not recorded should not pay for the SDK.
    from opentelemetry.instrumentation.auto_instrumentation import initialize

    from leyden_instrumentation.process import Process

    if Process.current is not None:
        return
    os.environ.setdefault("OTEL_PYTHON_DISTRO", "leyden")
    os.environ.setdefault("OTEL_PYTHON_CONFIGURATOR", "leyden")
    # Helpers that the set-up itself may start (platform probes) must not set up in turn.
    path = os.environ.get("PYTHONPATH")
    if path is not None:
        os.environ["PYTHONPATH"] = without_bootstrap(path)
    try:
        initialize()
    finally:
        if path is not None:
            os.environ["PYTHONPATH"] = path

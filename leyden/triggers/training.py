"""What a firing does: `leyden train` in a process of its own, the guard, the promotion, and word of the outcome."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from leyden.posting import post_json
from leyden_store.errors import LeydenError
from leyden_store.triggers import Firing, FiringStatus, Trigger

_PATIENCE_S = 10.0
"""How long a process told to end may take."""


class Unfinished(LeydenError):
    """A process a firing started did not end well; says how."""


def carry_out(trigger: Trigger, firing: Firing, dsn: str | None, model: str, stop: threading.Event) -> Firing:
    """Train, guard and promote; the firing as it ended. Raises nothing that training or promoting can raise."""
    out = Path(trigger.out).absolute() / firing.firing_id
    command = [sys.executable, "-m", "leyden", "train", "--query", trigger.query, "--json"]
    command += ["--trainer", trigger.trainer, "--model", model, "--out", str(out), *trigger.train]
    deadline = time.monotonic() + trigger.max_minutes * 60 if trigger.max_minutes else None
    try:
        # Not on the command line, where everyone on the machine could read a password in it.
        said = _ran(command, stop, deadline, {"LEYDEN_STORE": dsn} if dsn else {})
        run = json.loads(said.splitlines()[-1])
        done = replace(firing, status=FiringStatus.SUCCEEDED, run_id=run["run_id"], checkpoint=run["checkpoint"])
    except (Unfinished, ValueError, LookupError, OSError) as error:
        return replace(firing, status=FiringStatus.FAILED, note=str(error)[:2000], ended_at=datetime.now(UTC))
    try:
        done = replace(done, promoted=_promoted(trigger, done, model, stop, deadline))
    except (LeydenError, OSError) as error:
        done = replace(done, note=f"not promoted: {error}"[:2000])
    return replace(done, ended_at=datetime.now(UTC))


def tell(trigger: Trigger, firing: Firing) -> None:
    """Post the outcome to the webhook; that nobody answers there changes nothing, and is said on stderr."""
    if not trigger.webhook:
        return
    try:
        post_json(trigger.webhook, firing.to_json())
    except LeydenError as error:
        print(f"leyden: the webhook of trigger {trigger.name}: {error}", file=sys.stderr)


def _promoted(trigger: Trigger, firing: Firing, before: str, stop: threading.Event, deadline: float | None) -> bool:
    """True: it passed the guard and every server took it. Raises Unfinished, Refused or StoreUnreachable if not."""
    if trigger.guard:
        about = {"LEYDEN_CHECKPOINT": firing.checkpoint, "LEYDEN_PREVIOUS": before, "LEYDEN_RUN_ID": firing.run_id}
        _ran(trigger.guard, stop, deadline, about)
    for server in trigger.promote:
        load = {"path": firing.checkpoint, "policy_version": firing.run_id}
        post_json(f"{server.rstrip('/').removesuffix('/v1')}/admin/load", load)
    return True


def _ran(command: Sequence[str], stop: threading.Event, deadline: float | None, about: Mapping[str, str]) -> str:
    """What a process printed. Raises Unfinished when it fails, overruns the deadline, or all is to stop."""
    # A group of its own: Ctrl-C at `leyden up` is for the collector to pass on, and a guard's children end with it.
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | about, process_group=0
    )
    printed: list[tuple[str, str]] = []
    reader = threading.Thread(target=lambda: printed.append(child.communicate()))
    reader.start()
    why = ""
    while reader.is_alive() and not why:
        reader.join(0.2)
        if reader.is_alive() and stop.is_set():
            why = "ended because the collector stopped"
        elif reader.is_alive() and deadline is not None and time.monotonic() > deadline:
            why = "ended because its budget of minutes is spent"
    if why:
        _end(child, reader)
        raise Unfinished(why)
    out, err = printed[0]
    if child.returncode:
        last = (err.strip() or out.strip() or "it said nothing").splitlines()[-1]
        raise Unfinished(f"{Path(command[0]).name} ended with {child.returncode}: {last}")
    return out


def _end(child: subprocess.Popen[str], reader: threading.Thread) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, how)
        except ProcessLookupError:
            break
        reader.join(_PATIENCE_S)
        if not reader.is_alive():
            return
    reader.join()

"""What a firing does: `leyden train` in a process of its own, the guard, the promotion, and word of the outcome."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from leyden.child import Unfinished, ran
from leyden.posting import post_json
from leyden_store.errors import LeydenError
from leyden_store.triggers import Firing, FiringStatus, Trigger


def carry_out(trigger: Trigger, firing: Firing, dsn: str | None, model: str, stop: threading.Event) -> Firing:
    """Train, guard and promote; the firing as it ended. Raises nothing that training or promoting can raise."""
    folder = trigger.out.rstrip("/") if "://" in trigger.out else str(Path(trigger.out).absolute())
    command = [sys.executable, "-m", "leyden", "train", "--query", trigger.query, "--json"]
    command += ["--trainer", trigger.trainer, "--model", model, "--out", f"{folder}/{firing.firing_id}", *trigger.train]
    deadline = time.monotonic() + trigger.max_minutes * 60 if trigger.max_minutes else None

    def why_end() -> str:
        if stop.is_set():
            return "ended because the collector stopped"
        spent = deadline is not None and time.monotonic() > deadline
        return "ended because its budget of minutes is spent" if spent else ""

    where = {"LEYDEN_STORE": dsn} if dsn else {}
    try:
        said = ran(command, where, why_end)
        run = json.loads(said.splitlines()[-1])
        made = {name: run[name] for name in ("run_id", "checkpoint", "policy_version")}
        done = replace(firing, status=FiringStatus.SUCCEEDED, **made)
    except (Unfinished, ValueError, LookupError, OSError) as error:
        return replace(firing, status=FiringStatus.FAILED, note=str(error)[:2000], ended_at=datetime.now(UTC))
    try:
        done = replace(done, promoted=_promoted(trigger, done, model, where, why_end))
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


def _promoted(
    trigger: Trigger, firing: Firing, before: str, where: Mapping[str, str], why_end: Callable[[], str]
) -> bool:
    """True: it passed the guard and every server took it. Raises Unfinished, CallRefused or StoreUnreachable if not."""
    if trigger.guard:
        about = {"LEYDEN_CHECKPOINT": firing.checkpoint, "LEYDEN_PREVIOUS": before, "LEYDEN_RUN_ID": firing.run_id}
        about |= where
        ran(trigger.guard, about, why_end)
    for server in trigger.promote:
        load = {"path": firing.checkpoint, "policy_version": firing.policy_version}
        post_json(f"{server.rstrip('/').removesuffix('/v1')}/admin/load", load)
    return True

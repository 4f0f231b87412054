"""One look at the triggers: those that are due and whose condition holds train, each in a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from leyden.triggers import training
from leyden.triggers.condition import holds
from leyden_store.errors import LeydenError
from leyden_store.lightning import LightningStore
from leyden_store.triggers import Firing, FiringStatus, State, Trigger

Open = Callable[[], AbstractContextManager[LightningStore]]
"""Opens the store for a moment: an embedded one must be free while another process trains from it."""

HEARTBEAT_S = 30.0


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of looking at a trigger. firing: None when it did not fire; `why` then says why not."""

    trigger: str
    why: str
    firing: Firing | None = None


def tick(
    open_store: Open,
    dsn: str | None,
    *,
    only: str | None = None,
    force: bool = False,
    stop: threading.Event | None = None,
) -> Iterator[Looked]:
    """Look at every trigger, or at `only`, one after another; yields what came of each.

    dsn:   where the training process finds the store; None is where this one does
    force: train whatever the condition, the interval and the budget say; still one run at a time
    stop:  when set, training under way is ended and recorded as failed

    Raises TriggerNotFound. What goes wrong with one trigger is said in its `why` and holds up no other.
    """
    with open_store() as store:
        triggers = [store.triggers.get(only)] if only else store.triggers.all()
    for trigger in triggers:
        if stop is not None and stop.is_set():
            return
        try:
            yield _look(open_store, dsn, trigger, force, stop or threading.Event())
        except LeydenError as error:
            yield Looked(trigger.name, f"failed: {error}")


def _look(open_store: Open, dsn: str | None, trigger: Trigger, force: bool, stop: threading.Event) -> Looked:
    now = datetime.now(UTC)
    with open_store() as store:
        why_not = "" if force else _waits(store, trigger, now)
        if why_not:
            return Looked(trigger.name, why_not)
        state = store.triggers.state(trigger, store.select(query=trigger.query, purpose="trigger"), now)
        if not force and not holds(trigger.when, state.facts):
            return Looked(trigger.name, f"waits: {trigger.when} ({_told(state)})")
        firing = store.triggers.claim(trigger, state, datetime.now(UTC))
        start = store.triggers.promoted(trigger.name) if trigger.onward else None
    if firing is None:
        return Looked(trigger.name, "waits: a run of it is under way")
    with _heart(open_store, firing):
        done = training.carry_out(trigger, firing, dsn, start.checkpoint if start else trigger.model, stop)
    with open_store() as store:
        store.triggers.record(done)
        if done.promoted:
            store.checkpoints.promoted(done.checkpoint)
    training.tell(trigger, done)
    return Looked(trigger.name, f"{done.status}{f': {done.note}' if done.note else ''}", done)


def _waits(store: LightningStore, trigger: Trigger, now: datetime) -> str:
    """Why the trigger is not to be looked at now; "" when it is."""
    if trigger.paused:
        return "waits: it is paused"
    ran = [one for one in store.triggers.firings(trigger.name) if one.status is not FiringStatus.WITHDRAWN]
    if ran and (now - ran[0].started_at).total_seconds() < trigger.every_s:
        return f"waits: it trains at most every {trigger.every_s:g} s"
    today = [one for one in ran if now - one.started_at < timedelta(days=1)]
    if trigger.max_runs_per_day and len(today) >= trigger.max_runs_per_day:
        return f"waits: its budget of {trigger.max_runs_per_day} runs a day is spent"
    if trigger.max_tokens_per_day:
        spent = sum(store.runs.get(one.run_id).report.get("tokens", 0) for one in today if one.run_id)
        if spent >= trigger.max_tokens_per_day:
            return f"waits: its budget of {trigger.max_tokens_per_day} tokens a day is spent"
    return ""


def _told(state: State) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in state.facts.items() if name != "hours_since_run")


@contextmanager
def _heart(open_store: Open, firing: Firing) -> Iterator[None]:
    """Says every while that the firing lives. Where the store cannot be had just then, the next beat says it."""
    stopped = threading.Event()

    def beat() -> None:
        while not stopped.wait(HEARTBEAT_S):
            try:
                with open_store() as store:
                    store.triggers.record(replace(firing, heartbeat_at=datetime.now(UTC)))
            except LeydenError:
                continue

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()

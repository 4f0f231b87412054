"""What every resource of the API stands on: the store, who asks, and the log of who did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from leyden_collector.access import Access, Grant, ScopeMissing
from leyden_collector.audit import Auditor
from leyden_collector.door import granted
from leyden_collector.tasks.queue import TaskQueue
from leyden_collector.tasks.waiting import Waiting
from leyden_store.lightning import LightningStore

Asking = Annotated[Grant, Depends(granted)]
"""The grant of whoever asks, as a route's parameter."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The store, the keys in force, the audit log, and the task queue with those who wait for it."""

    store: LightningStore
    access: Access
    auditor: Auditor
    tasks: TaskQueue
    waiting: Waiting


def of_project(grant: Grant, asked: str = "") -> str:
    """The project to read: the grant's own, else the one asked for. Raises ScopeMissing for another than its own."""
    if grant.project and asked not in ("", grant.project):
        raise ScopeMissing(f"the key {grant.name!r} is for the project {grant.project!r}, not for {asked!r}")
    return grant.project or asked


def of_all(grant: Grant) -> None:
    """Raise ScopeMissing for a key of one project: what follows belongs to none, or to all."""
    if grant.project:
        raise ScopeMissing(f"the key {grant.name!r} is for the project {grant.project!r}, and this is of all projects")

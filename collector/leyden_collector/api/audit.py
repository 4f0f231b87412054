"""`/api/audit`: who read, exported, trained and changed keys; for admin keys alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter

from leyden_collector.api.pages import Cursor, Limit, Moment, Page
from leyden_collector.api.parts import Asking, Parts
from leyden_store.audit import AuditLog
from leyden_store.keys import Scope
from leyden_store.listing import read_cursor, write_cursor

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def router(parts: Parts) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["audit"])
    log = AuditLog(parts.store.connection)

    @routes.get("/audit", summary="The newest entries of the audit log")
    def audit(grant: Asking, since: Moment = None, limit: Limit = 100, cursor: Cursor = "") -> Page:
        grant.require(Scope.ADMIN)
        parts.auditor.flush()
        place = read_cursor(cursor, int)
        before = (_EPOCH + timedelta(microseconds=place[0] % 10**17), place[1]) if place else None
        found = log.read(since=since, before=before, limit=limit + 1)
        page = found[:limit]
        following = None
        if len(found) > limit:
            following = write_cursor((page[-1].at - _EPOCH) // timedelta(microseconds=1), page[-1].entry_id)
        return Page(items=[entry.to_json() for entry in page], next_cursor=following)

    return routes

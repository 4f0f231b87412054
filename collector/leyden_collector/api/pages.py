"""Pages: a list that grows is read with a cursor, which names the last item seen, so that new items move nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field

from leyden_store import listing

Keyed = tuple[str, dict[str, Any]]
"""An item, and what orders it."""

Limit = Annotated[int, Query(ge=1, le=1000, description="the most items of one page")]
Cursor = Annotated[
    str, Query(max_length=500, description="`next_cursor` of the page before; without it, the first page")
]
Moment = Annotated[AwareDatetime | None, Query(description="ISO 8601 with a zone, such as 2026-01-31T09:00:00Z")]


class Page(BaseModel):
    """Some items of a list. An item is on one page, however many are added meanwhile."""

    items: list[dict[str, Any]]
    next_cursor: str | None = Field(description="asks for the page that follows; null on the last")


def page_of(found: listing.Page) -> Page:
    """A page that the store read."""
    return Page(items=found.rows, next_cursor=found.cursor or None)


def cut(items: Sequence[Keyed], limit: int, cursor: str, *, ascending: bool = False) -> Page:
    """A page of a list that is small enough to be had whole: in descending order of its keys, or ascending."""
    place = listing.read_cursor(cursor, str)
    left = [(key, item) for key, item in items if place is None or (key > place[1] if ascending else key < place[1])]
    page = left[:limit]
    more = len(left) > limit
    return Page(items=[item for _, item in page], next_cursor=listing.write_cursor("", page[-1][0]) if more else None)


def nanoseconds(moment: datetime | None) -> int | None:
    """Unix nanoseconds of a moment, to the microsecond it has; times before 1970 are the beginning."""
    if moment is None:
        return None
    return max(0, (moment - _EPOCH) // timedelta(microseconds=1)) * 1000


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

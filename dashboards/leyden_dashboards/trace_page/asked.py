"""What the list's form asks for, as filters of the store."""

from __future__ import annotations

import math
import re
import time
from dataclasses import replace
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict

from leyden_store.errors import QueryRefused
from leyden_store.lightning import LightningStore
from leyden_store.listing import TraceFilter

_REWARD = re.compile(r"\s*([\w.\-/]*?)\s*(>=|<=|>|<|=)\s*(-?\d+(?:\.\d+)?)\s*")
_SINCE = {"1h": 3600, "24h": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400}


class Asked(BaseModel):
    """The form's fields, as the address holds them; "" is not asked."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    q: str = ""
    agent: str = ""
    model: str = ""
    session: str = ""
    user: str = ""
    group: str = ""
    rollout: str = ""
    status: str = ""
    reward: str = ""
    since: str = ""
    query: str = ""
    cursor: str = ""

    def filter(self, store: LightningStore, project: str) -> TraceFilter:
        """The same for the store. Raises QueryNotFound, QueryRefused."""
        chosen = TraceFilter(
            project=project,
            agent=self.agent,
            model=self.model,
            session=self.session,
            user=self.user,
            group=self.group,
            rollout=self.rollout,
            status=cast("Literal['', 'ok', 'error']", self.status if self.status in ("ok", "error") else ""),
            since_ns=self.since_ns,
        )
        if self.query:
            chosen = replace(chosen, selection=store.select(query=self.query, project=project))
        return _rewarded(chosen, self.reward) if self.reward else chosen

    @property
    def since_ns(self) -> int | None:
        """When the time asked for began, in Unix nanoseconds."""
        return time.time_ns() - _SINCE[self.since] * 10**9 if self.since in _SINCE else None

    def given(self) -> dict[str, str]:
        """The fields that were asked, without the cursor: what a link to the next page repeats."""
        return {name: value for name, value in self.model_dump(exclude={"cursor"}).items() if value}


def _rewarded(chosen: TraceFilter, text: str) -> TraceFilter:
    """The filter with a reward such as `>0.5` or `accuracy<=0.2`. Raises QueryRefused."""
    found = _REWARD.fullmatch(text)
    if not found:
        raise QueryRefused(f"{text!r} compares no reward; write >0.5 or accuracy<=0.2")
    name, sign, value = found[1], found[2], float(found[3])
    # The bounds are included: beside one that is not stands the next number there is.

    low = {"=": value, ">=": value, ">": math.nextafter(value, math.inf)}.get(sign)
    high = {"=": value, "<=": value, "<": math.nextafter(value, -math.inf)}.get(sign)
    return replace(chosen, reward=name, min_reward=low, max_reward=high)

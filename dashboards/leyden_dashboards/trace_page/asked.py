"""What the list's form asks for, as filters of the store."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict

from leyden_store.errors import QueryRefused
from leyden_store.filters import comparison, time_of
from leyden_store.lightning import LightningStore
from leyden_store.listing import TraceFilter


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
        """When the time asked for began, in Unix nanoseconds. Raises QueryRefused."""
        return max(0, int(time_of(self.since, "Since").timestamp() * 1e9)) if self.since else None

    def given(self) -> dict[str, str]:
        """The fields that were asked, without the cursor: what a link to the next page repeats."""
        return {name: value for name, value in self.model_dump(exclude={"cursor"}).items() if value}


def _rewarded(chosen: TraceFilter, text: str) -> TraceFilter:
    """The filter with a reward such as `>0.5` or `accuracy<=0.2`. Raises QueryRefused."""
    name, sign, value = comparison(text, "Reward")
    if sign == "!=":
        raise QueryRefused(f"Reward {text!r}: a list is of rewards between two numbers; write < or >")
    # The bounds are included: beside one that is not stands the next number there is.
    low = {"=": value, ">=": value, ">": math.nextafter(value, math.inf)}.get(sign)
    high = {"=": value, "<=": value, "<": math.nextafter(value, -math.inf)}.get(sign)
    return replace(chosen, reward=name, min_reward=low, max_reward=high)

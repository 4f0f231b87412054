"""Prices: what a turn cost, by a table of models and days, where its span does not say so itself.

The table lies in the store, so that SQL (`turn_costs`) and `leyden turns` say the same and a price put right holds for
what was recorded before.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leyden_store.errors import LeydenError
from leyden_store.turns import Rollout, Usage

if TYPE_CHECKING:
    from leyden_store.connection import Connection

OWN, CONFIGURED = "leyden", "config"
ALWAYS = date(1970, 1, 1)

_FIELDS = {"input", "cached", "output", "reasoning", "since"}


class PricesInvalid(LeydenError):
    """A file of prices cannot be read; says which entry and why."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Price:
    """A model's price from a day on, in US dollars a million tokens."""

    model: str
    input: float
    cached: float
    output: float
    reasoning: float
    since: date = ALWAYS

    def of(self, usage: Usage) -> float | None:
        """What a call cost in US dollars, None when it says no tokens. Cached is part of input, reasoning of output."""
        asked, said = usage.input or 0, usage.output or 0
        if asked + said == 0:
            return None
        cached, thought = min(usage.cached or 0, asked), min(usage.reasoning or 0, said)
        return (
            (asked - cached) * self.input
            + cached * self.cached
            + (said - thought) * self.output
            + thought * self.reasoning
        ) / 1_000_000


class PriceTable:
    """The prices that hold: a model's newest that had begun by the day of the call."""

    def __init__(self, prices: Iterable[Price]) -> None:
        self._by_model: dict[str, list[Price]] = {}
        for price in sorted(prices, key=lambda price: price.since, reverse=True):
            self._by_model.setdefault(price.model, []).append(price)

    def price(self, model: str, day: date) -> Price | None:
        """The model's price on a day, by its very name, else by its name without maker and date."""
        for name in (model.lower(), alike(model)):
            for price in self._by_model.get(name, ()):
                if price.since <= day:
                    return price
        return None

    def priced(self, rollout: Rollout) -> Rollout:
        """The rollout with the cost of every turn that does not say its own and whose model has a price."""
        if not any(turn.cost is None and self._knows(turn.model) for turn in rollout.turns):
            return rollout
        turns = []
        for turn in rollout.turns:
            if turn.cost is None and turn.model:
                day = datetime.fromtimestamp(turn.start_ns / 1e9, UTC).date()
                price = self.price(turn.model, day)
                turn = replace(turn, cost=price.of(turn.usage)) if price else turn
            turns.append(turn)
        return replace(rollout, turns=tuple(turns))

    def _knows(self, model: str | None) -> bool:
        return model is not None and (model.lower() in self._by_model or alike(model) in self._by_model)


@lru_cache(maxsize=4096)
def alike(model: str) -> str:
    """A model's name in lower case without its maker's (`openai/`, `us.anthropic.`) and without date or version."""
    bare = re.sub(r"^(.*/)?((us|eu|apac|global)\.)?(anthropic\.)?", "", model.lower(), count=1)
    return re.sub(r"([-@:](\d{4}-\d{2}-\d{2}|\d{8}|\d{3}|latest|v\d+(:\d+)?))+$", "", bare, count=1)


def read_prices(path: Path) -> list[Price]:
    """The prices in a TOML or JSON file, in the form of `prices.toml`. Raises PricesInvalid."""
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise PricesInvalid(f"cannot read the prices {path}: {error.strerror}") from None
    except ValueError as error:
        raise PricesInvalid(f"{path} is no {'JSON' if path.suffix == '.json' else 'TOML'}: {error}") from None
    models = document.get("models")
    if not isinstance(models, dict):
        raise PricesInvalid(f"{path} has no table [models] of a model's name to its prices")
    return [
        _price(path, name, entry)
        for name, entries in models.items()
        for entry in (entries if isinstance(entries, list) else [entries])
    ]


def _price(path: Path, name: str, entry: Any) -> Price:
    where = f"{path}: {name}"
    if not isinstance(entry, dict) or not {"input", "output"} <= entry.keys():
        raise PricesInvalid(f"{where}: give input and output in US dollars a million tokens")
    if unknown := entry.keys() - _FIELDS:
        raise PricesInvalid(f"{where}: no field {sorted(unknown)[0]!r}; there are {', '.join(sorted(_FIELDS))}")
    numbers = {key: value for key, value in entry.items() if key != "since"}
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise PricesInvalid(f"{where}: {key} is {value!r}, not a price")
    since = entry.get("since", ALWAYS)
    try:
        since = since if isinstance(since, date) else date.fromisoformat(since)
    except (TypeError, ValueError):
        raise PricesInvalid(f"{where}: since is {since!r}, not a day like 2026-01-31") from None
    return Price(
        model=name.lower(),
        input=float(numbers["input"]),
        cached=float(numbers.get("cached", numbers["input"])),
        output=float(numbers["output"]),
        reasoning=float(numbers.get("reasoning", numbers["output"])),
        since=since,
    )


class Prices:
    """The table in the store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def table(self) -> PriceTable:
        """What holds now: a model that is configured goes by that alone."""
        configured = [_of_row(row) for row in self._rows(CONFIGURED)]
        named = {price.model for price in configured}
        return PriceTable(
            [*configured, *(price for price in map(_of_row, self._rows(OWN)) if price.model not in named)]
        )

    def publish_own(self) -> None:
        """Bring the table that Leyden ships into the store, if what is there is older."""
        path = Path(str(files("leyden_store") / "prices.toml"))
        as_of = str(tomllib.loads(path.read_text(encoding="utf-8"))["as_of"])
        (row,) = self._connection.rows(f"SELECT max(AsOf) AS newest FROM model_prices WHERE Source = '{OWN}'")
        if row["newest"] < as_of:
            self.replace(OWN, read_prices(path), as_of)

    def replace(self, source: str, prices: Sequence[Price], as_of: str = "") -> None:
        """Make these all the prices of a source; nothing is written when they are already."""
        before = {(price.model, price.since): price for price in map(_of_row, self._rows(source))}
        after = {(price.model, price.since): price for price in prices}
        now = datetime.now(UTC)
        changed = [price for key, price in after.items() if before.get(key) != price or as_of]
        gone = [price for key, price in before.items() if key not in after]
        self._connection.insert(
            "model_prices",
            [_to_row(price, source, as_of, now, removed=False) for price in changed]
            + [_to_row(price, source, as_of, now, removed=True) for price in gone],
        )

    def _rows(self, source: str) -> list[dict[str, Any]]:
        return self._connection.rows(
            "SELECT Model, Since, Input, Cached, Output, Reasoning FROM model_prices FINAL"
            " WHERE Source = {source:String} AND NOT Removed",
            {"source": source},
        )


def _of_row(row: Mapping[str, Any]) -> Price:
    return Price(row["Model"], row["Input"], row["Cached"], row["Output"], row["Reasoning"], _day(row["Since"]))


def _day(value: Any) -> date:
    """A Date, which Arrow brings as one or as days since 1970, by the engine's version."""
    return date.fromordinal(ALWAYS.toordinal() + value) if isinstance(value, int) else value


def _to_row(price: Price, source: str, as_of: str, now: datetime, *, removed: bool) -> dict[str, Any]:
    return {
        "Source": source,
        "Model": price.model,
        "Since": price.since,
        "Input": price.input,
        "Cached": price.cached,
        "Output": price.output,
        "Reasoning": price.reasoning,
        "Removed": removed,
        "AsOf": as_of,
        "UpdatedAt": now,
    }

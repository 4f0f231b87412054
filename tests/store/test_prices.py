"""What a turn cost: by the span's own word, else by the price that held that day, in SQL as in turns."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from leyden_store.lightning import LightningStore
from leyden_store.prices import CONFIGURED, Price, PricesInvalid, PriceTable, alike, read_prices
from leyden_store.turns import Usage
from tests.support.otlp_making import DAY_NS, NOW_NS, chat, put

PRICE = Price("m", input=10, cached=1, output=20, reasoning=30)
DAY = date(2026, 9, 21)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(input=1_000_000), 10),
        (Usage(input=1_000_000, cached=400_000), 6.4),
        (Usage(output=1_000_000), 20),
        (Usage(output=1_000_000, reasoning=250_000), 22.5),
        (Usage(input=1_000_000, cached=2_000_000), 1),
        (Usage(), None),
        (Usage(input=0, output=0), None),
    ],
)
def test_cached_and_reasoning_tokens_have_their_own_prices(usage: Usage, cost: float | None) -> None:
    assert PRICE.of(usage) == pytest.approx(cost)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("gpt-4o", "gpt-4o"),
        ("GPT-4o-2024-08-06", "gpt-4o"),
        ("openai/gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "claude-sonnet-4"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("models/gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("gpt-4o-audio-preview", "gpt-4o-audio-preview"),
    ],
)
def test_a_dated_name_goes_by_the_plain_one_and_another_model_by_none(name: str, plain: str) -> None:
    assert alike(name) == plain


def test_the_newest_price_that_had_begun_holds() -> None:
    old, new = Price("m", 1, 1, 1, 1), Price("m", 2, 2, 2, 2, since=date(2026, 1, 1))
    table = PriceTable([old, new])
    assert table.price("m", date(2025, 12, 31)) == old
    assert table.price("m", date(2026, 1, 1)) == new
    assert table.price("other", DAY) is None


def test_turns_and_sql_say_the_same(store: LightningStore, tmp_path: Path) -> None:
    dated = {"gen_ai.request.model": "gpt-4o-mini-2024-07-18", "gen_ai.usage.input_tokens": 1000}
    tokens = {**dated, "gen_ai.usage.output_tokens": 500, "gen_ai.usage.cache_read.input_tokens": 600}
    spans = [
        chat(1, trace=1, attributes=tokens),
        chat(2, trace=2, attributes={**tokens, "leyden.cost": 0.5}),
        chat(3, trace=3),  # a model without a price
        chat(4, trace=4, attributes={**tokens, "gen_ai.request.model": "own", "gen_ai.usage.reasoning_tokens": 100}),
        chat(5, trace=5, attributes={**tokens, "gen_ai.request.model": "own"}, at_ns=NOW_NS + 40 * DAY_NS),
    ]
    (tmp_path / "prices.toml").write_text(
        "[models]\nown = [{ input = 1, output = 2, reasoning = 4 }, { input = 3, output = 3, since = 2026-10-10 }]"
    )
    expected = {
        f"{1:032x}": (400 * 0.15 + 600 * 0.075 + 500 * 0.6) / 1e6,
        f"{2:032x}": 0.5,
        f"{3:032x}": None,
        f"{4:032x}": (1000 * 1 + 400 * 2 + 100 * 4) / 1e6,
        f"{5:032x}": 1500 * 3 / 1e6,
    }
    put(store, spans, spans)
    store.prices.replace(CONFIGURED, read_prices(tmp_path / "prices.toml"))
    in_turns = {turn.trace_id: turn.to_json()["cost"] for turn in store.turns()}
    in_sql = {row["TraceId"]: row["Cost"] for row in store.sql("SELECT TraceId, Cost FROM turn_costs").to_pylist()}
    assert in_turns == {key: cost if cost is None else pytest.approx(cost) for key, cost in expected.items()}
    assert in_sql == in_turns
    dear = store.select(where="TraceId IN (SELECT TraceId FROM turn_costs WHERE Cost > 0.1)")
    assert [turn.trace_id for turn in store.turns(dear)] == [f"{2:032x}"]
    store.prices.replace(CONFIGURED, [Price("gpt-4o-mini", 1, 1, 1, 1)])
    costs = {turn.trace_id: turn.cost for turn in store.turns()}
    assert costs[f"{1:032x}"] == pytest.approx(1500 / 1e6)
    assert costs[f"{4:032x}"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[models]\nm = { input = 1 }", "m: give input and output"),
        ("[models]\nm = { input = 1, output = 1, reasonning = 2 }", "no field 'reasonning'"),
        ("[models]\nm = { input = -1, output = 1 }", "input is -1, not a price"),
        ("[models]\nm = { input = 1, output = 1, since = 'soon' }", "not a day"),
        ("models = 3", "no table [models]"),
        ("[", "is no TOML"),
    ],
)
def test_a_fault_in_a_file_of_prices_says_which(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(PricesInvalid) as caught:
        read_prices(tmp_path / "p.toml")
    assert said in str(caught.value)


def test_prices_may_be_json(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"models": {"M": {"input": 1, "output": 2, "since": "2026-01-31"}}}')
    assert read_prices(tmp_path / "p.json") == [Price("m", 1, 1, 2, 2, since=date(2026, 1, 31))]

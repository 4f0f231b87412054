"""The flags a person selects by mean what they say, alone and together, on real spans."""

from __future__ import annotations

import pytest

from leyden_store.errors import QueryRefused
from leyden_store.filters import Filters, is_comparison
from leyden_store.lightning import LightningStore
from leyden_store.otlp import decode_traces
from leyden_store.turns import PostedReward
from tests.leyden.conftest import CASES
from tests.support.otlp_making import DAY_NS, NOW_NS, make, put


def chosen(store: LightningStore, **flags: object) -> list[int]:
    """Which traces, by number, the flags choose."""
    found = store.traces(store.select(filters=Filters(**flags)))  # type: ignore[arg-type]
    return sorted(int(trace["trace_id"], 16) for trace in found)


@pytest.fixture
def three(store: LightningStore) -> LightningStore:
    """Three traces: an agent's span over a call each; agents a, b, a; models m, m, n."""
    spans = []
    for trace, (agent, model, group) in enumerate((("a", "m", "g"), ("b", "m", "g"), ("a", "n", "h")), start=1):
        at, rollout = NOW_NS - trace * DAY_NS, f"r{trace}"
        spans.append(
            make(1, trace=trace, at_ns=at, rollout_id=rollout, group_id=group,
                 attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent})
        )  # fmt: skip
        spans.append(
            make(2, trace=trace, parent=1, at_ns=at, rollout_id=rollout, group_id=group,
                 attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": model})
        )  # fmt: skip
    put(store, spans)
    return store


def test_flags_hold_of_a_trace_not_of_one_span(three: LightningStore) -> None:
    assert chosen(three, agents=["a"]) == [1, 3]
    assert chosen(three, models=["m"]) == [1, 2]
    assert chosen(three, agents=["a"], models=["m"]) == [1]
    assert chosen(three, agents=["a", "b"], models=["m"], groups=["g"]) == [1, 2]
    assert chosen(three, agents=["a"], where="Model = 'n'") == [3]
    assert chosen(three, agents=["a' OR 1 --"]) == []
    assert chosen(three) == [1, 2, 3]


def test_times_are_ago_or_absolute(three: LightningStore) -> None:
    days = [
        f"2026-09-{day:02d}T14:13:20" for day in (19, 20)
    ]  # the second trace began on the 19th, the first on the 20th
    assert chosen(three, since=days[0], until=days[1]) == [2]
    assert chosen(three, since=days[0], agents=["a"]) == [1]
    with pytest.raises(QueryRefused, match="--since '7 parsecs' is no time"):
        chosen(three, since="7 parsecs")


def test_rewards_are_compared_by_the_newest_of_the_rollout(three: LightningStore) -> None:
    three.add_rewards([PostedReward("reward", 0.2, rollout_id="r1"), PostedReward("reward", 0.9, rollout_id="r2")])
    three.add_rewards(
        [PostedReward("accuracy", 1.0, rollout_id="r1"), PostedReward("accuracy", 0.5, trace_id=f"{3:032x}")]
    )
    assert chosen(three, reward=[">0.5"]) == [2]
    assert chosen(three, reward=["<=0.5"]) == [1, 3]  # the third has no `reward`, so its only score counts
    assert chosen(three, reward=["accuracy>=1"]) == [1]
    assert chosen(three, reward=["accuracy>0", "reward<1"]) == [1]
    three.add_rewards([PostedReward("reward", 0.8, rollout_id="r1", source="later")])
    assert chosen(three, reward=[">0.5"]) == [1, 2]
    with pytest.raises(QueryRefused, match="no comparison"):
        chosen(three, reward=["good"])


@pytest.mark.parametrize(
    ("text", "comparison"), [(">0.5", True), ("a.b<= -1e-3", True), ("x==1", True), ("reward", False), (">", False)]
)
def test_a_comparison_is_told_from_a_name(text: str, comparison: bool) -> None:
    assert is_comparison(text) is comparison


def test_a_filter_narrows_a_query(three: LightningStore) -> None:
    three.queries.save("q", "SELECT TraceId, SpanId FROM otel_traces WHERE Model = 'm'")
    both = three.select(query="q", filters=Filters(agents=["b"]))
    assert both.by_span
    assert [t["trace_id"] for t in three.traces(both)] == [f"{2:032x}"]


@pytest.mark.parametrize(
    "case",
    [
        "genai-toolloop",
        "openinference-toolloop",
        "traceloop-toolloop",
        "traceloop-indexed-toolloop",
        "vercel-loop",
    ],
)
def test_tools_are_found_in_every_dialect(store: LightningStore, case: str) -> None:
    put(store, decode_traces((CASES / case / "input.pb").read_bytes()))
    called = {
        call["function"]["name"] for turn in store.turns() for call in (turn.response or {}).get("tool_calls") or ()
    }
    assert called
    for name in called:
        assert store.traces(store.select(filters=Filters(tools=[name])))
        assert store.traces(store.select(filters=Filters(tools=[name + "x"]))) == []

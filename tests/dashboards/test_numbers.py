"""The pages' numbers: what was seeded, counted by hand; a span or a metric that came twice counts once."""

from __future__ import annotations

import time
from math import fsum

import pytest

from leyden_dashboards.sql import statement
from leyden_store.spans import Span
from tests.dashboards import seeding
from tests.dashboards.asking import Answer, Seeded, ask, ask_panel
from tests.support.grafana_queries import expand

MATHS = {"project": ["maths"]}
MADE = seeding.rollouts()
SPANS = [span for trace in MADE for span in trace]


def one(seeded: Seeded, sql: str, **variables: list[str]) -> dict[str, float]:
    """The only row of a panel, over the made rollouts."""
    (row,) = ask_panel(seeded.url, sql, seeded.asked(**MATHS, **variables)).rows
    return {name: float(value) for name, value in row.items()}


def by(answer: Answer, column: str) -> dict[str, dict[str, object]]:
    return {row[column]: row for row in answer.rows}


def reward_of(number: int) -> float:
    return float(number % 4 != 0) if number % 2 else float(number % 3 == 0)


def tokens(spans: list[Span], which: str) -> int:
    return sum(int(str(span.attributes.get(f"gen_ai.usage.{which}_tokens", 0))) for span in spans)


def test_rollouts_and_their_success(seeded: Seeded) -> None:
    assert one(seeded, "overview/rollouts") == {"Rollouts": seeding.ROLLOUTS}
    assert one(seeded, "overview/success") == {"Without errors": 0.8}
    assert one(seeded, "overview/error_spans") == {"Error spans": seeding.ROLLOUTS / 5}


def test_a_reward_counts_wherever_it_came_from(seeded: Seeded) -> None:
    rewards = [reward_of(number) for number in range(seeding.ROLLOUTS)]
    assert one(seeded, "overview/reward")["Mean reward"] == pytest.approx(fsum(rewards) / len(rewards))


def test_a_rollout_without_a_reward_is_not_a_zero(seeded: Seeded) -> None:
    (row,) = ask_panel(seeded.url, "overview/reward", seeded.asked(project=["default"])).rows
    assert row == {"Mean reward": None}


def test_tokens_count_once_though_spans_came_twice(seeded: Seeded) -> None:
    assert one(seeded, "overview/tokens") == {"in": tokens(SPANS, "input"), "out": tokens(SPANS, "output")}


def test_unmerged_retries_are_in_the_store(seeded: Seeded) -> None:
    stored = ask(seeded.url, "SELECT count() AS n FROM otel_traces WHERE Project = 'maths'")
    assert int(stored.rows[0]["n"]) > len(SPANS)


def test_agents_are_compared(seeded: Seeded) -> None:
    agents = by(ask_panel(seeded.url, "overview/by_agent", seeded.asked(**MATHS)), "Agent")
    assert set(agents) == set(seeding.AGENTS)
    for index, name in enumerate(seeding.AGENTS):
        numbers = range(index, seeding.ROLLOUTS, 2)
        assert int(str(agents[name]["Rollouts"])) == len(numbers)
        assert agents[name]["Reward"] == pytest.approx(fsum(map(reward_of, numbers)) / len(numbers))
        assert int(str(agents[name]["Tokens in"])) == tokens([s for n in numbers for s in MADE[n]], "input")


def test_models_are_compared(seeded: Seeded) -> None:
    models = by(ask_panel(seeded.url, "llm/models", seeded.asked(**MATHS)), "Model")
    assert set(models) == set(seeding.MODELS)
    assert {int(str(row["Calls"])) for row in models.values()} == {seeding.ROLLOUTS}


def test_a_tool_s_errors_are_counted_and_told(seeded: Seeded) -> None:
    search = by(ask_panel(seeded.url, "agents/tools", seeded.asked(**MATHS)), "Tool")["search"]
    assert (int(str(search["Calls"])), search["Error rate"], search["Latest error"]) == (40, 0.2, "no route to host")


def test_the_graph_says_who_calls_what(seeded: Seeded) -> None:
    edges = ask_panel(seeded.url, "agents/edges", seeded.asked(**MATHS)).rows
    assert {(edge["source"], edge["target"], edge["mainstat"]) for edge in edges} == {
        ("service: solver-app", "agent: planner", "20 calls"),
        ("service: solver-app", "agent: solver", "20 calls"),
        ("agent: planner", "model: tiny-1", "40 calls"),
        ("agent: solver", "model: tiny-2", "40 calls"),
        ("agent: planner", "tool: search", "20 calls"),
        ("agent: solver", "tool: search", "20 calls"),
    }


def test_a_waterfall_needs_no_time_range(seeded: Seeded) -> None:
    trace = MADE[5]
    asked = seeded.asked(trace=f" {trace[0].trace_id.upper()} ")
    rows = ask_panel(seeded.url, "traces/waterfall", asked).rows
    assert [row["spanID"] for row in rows] == [span.span_id for span in trace]
    assert [row["startTime"] for row in rows] == [span.start_ns / 1e6 for span in trace]
    assert [row["statusCode"] for row in rows] == [0, 0, 2, 0]
    assert rows[0]["logs"][0]["name"] == "gen_ai.evaluation.result"
    assert "$__timeFilter" not in statement("traces/waterfall")


def test_the_search_finds_a_rollout(seeded: Seeded) -> None:
    rows = ask_panel(seeded.url, "traces/found", seeded.asked(search="ROLLOUT-017")).rows
    assert [row["Rollout"] for row in rows] == ["rollout-017"]


def test_a_text_box_cannot_leave_its_quotes(seeded: Seeded) -> None:
    rows = ask_panel(seeded.url, "traces/found", seeded.asked(search="' OR 1 = 1 --")).rows
    assert rows == []


def test_a_metric_written_twice_is_drawn_once(seeded: Seeded) -> None:
    rows = ask_panel(seeded.url, "training/loss", seeded.asked()).rows
    assert [(row["step"], row["loss"]) for row in rows] == [(step, 2.0 / step) for step in range(1, 21)]
    assert {row["eval_loss"] for row in rows} == {None}


def test_what_a_run_left_out_is_told_by_reason(seeded: Seeded) -> None:
    rows = ask_panel(seeded.url, "training/dropped", seeded.asked()).rows
    assert [(row["Reason"], int(row["LLM spans"])) for row in rows] == [("no_token_ids", 8), ("failed", 2)]


def test_policy_versions_are_told_apart(seeded: Seeded) -> None:
    policies = by(ask_panel(seeded.url, "training/policies", seeded.asked()), "Policy version")
    for index, name in enumerate(("step-0", "step-1")):
        numbers = range(20 * index, 20 * index + 20)
        assert int(str(policies[name]["LLM calls"])) == 40
        assert policies[name]["Reward"] == pytest.approx(fsum(map(reward_of, numbers)) / 20)
        assert policies[name]["Log-probability"] == pytest.approx((-0.1 * (1 + index) - 0.3) / 2)


def test_a_writer_cannot_come_in_through_a_page(seeded: Seeded) -> None:
    sql = expand("SELECT ${search:singlequote}; DROP TABLE rewards", seeded.asked())
    with pytest.raises(AssertionError, match=r"Cannot execute|READONLY|Multi-statements|SYNTAX"):
        ask(seeded.url, sql)
    assert ask(seeded.url, "SELECT count() AS n FROM rewards").rows


def test_costs_are_those_that_calls_tell_once_each(seeded: Seeded) -> None:
    told = [float(str(s.attributes["gen_ai.usage.cost"])) for s in SPANS if "gen_ai.usage.cost" in s.attributes]
    assert one(seeded, "cost/total")["cost"] == pytest.approx(fsum(told))
    assert one(seeded, "cost/unpriced") == {"calls": seeding.ROLLOUTS}
    read = one(seeded, "cost/cached")["share"]
    assert read == pytest.approx(40 * seeding.ROLLOUTS / tokens(SPANS, "input"))


def test_costs_by_agent_are_the_store_s_costs(seeded: Seeded) -> None:
    """The panels price groups of calls, the view `turn_costs` one call at a time."""
    asked = seeded.asked(**MATHS)
    agents = by(ask_panel(seeded.url, "cost/by_agent", asked), "Agent")
    assert agents.keys() == {*seeding.AGENTS}
    every = seeded.asked()
    whole = "SELECT sum(Cost) AS cost, countIf(isNull(Cost)) AS unpriced FROM turn_costs"
    (row,) = ask(seeded.url, f"{whole} WHERE toStartOfHour(Timestamp) >= toDateTime(0)").rows
    agents = by(ask_panel(seeded.url, "cost/by_agent", every), "Agent")
    (total,), (unpriced,) = (ask_panel(seeded.url, f"cost/{name}", every).rows for name in ("total", "unpriced"))
    assert total["cost"] == pytest.approx(row["cost"])
    assert fsum(float(str(agent["Cost"] or 0)) for agent in agents.values()) == pytest.approx(row["cost"])
    assert int(unpriced["calls"]) == int(row["unpriced"])
    assert sum(int(str(agent["Without a price"])) for agent in agents.values()) == int(row["unpriced"])
    over_time = ask_panel(seeded.url, "cost/over_time", every).rows
    assert fsum(point["cost"] or 0 for point in over_time) == pytest.approx(row["cost"])


def test_what_a_collector_took_is_what_was_sent_to_it(seeded: Seeded) -> None:
    deadline = time.monotonic() + 20
    sent = len(SPANS) + sum(len(trace) for trace in MADE[3:9]) + _captured()
    while one(seeded, "collector/accepted_now")["spans"] != sent:
        assert time.monotonic() < deadline  # the next sample says so
        time.sleep(0.2)
    assert one(seeded, "collector/spooled_now") == {"bytes": 0}
    assert one(seeded, "collector/quarantined_now") == {"requests": 0}


def _captured() -> int:
    from leyden_store.otlp import decode_traces

    return sum(len(list(decode_traces(request))) for request in seeding.captures())


def test_a_policy_s_drift_is_from_the_one_before_it(seeded: Seeded) -> None:
    (row,) = ask_panel(seeded.url, "training/policy_drift", seeded.asked(**MATHS)).rows
    assert (row["Policy version"], row["After"], row["Reply tokens"]) == ("step-1", "step-0", 0)
    assert row["Log-probability"] == pytest.approx(-0.05)
    means = [fsum(map(reward_of, range(a, a + 20))) / 20 for a in (0, 20)]
    assert row["Reward"] == pytest.approx(means[1] - means[0])


def test_a_call_is_as_many_versions_behind_as_came_since_its_own(seeded: Seeded) -> None:
    rows = ask_panel(seeded.url, "training/behind", seeded.asked(**MATHS)).rows
    assert [(row["mean"], int(row["most"])) for row in rows] == [(0.5, 1)]  # half the calls of the day are of step-0


def test_prompt_versions_are_compared(seeded: Seeded) -> None:
    rows = ask_panel(seeded.url, "llm/by_prompt", seeded.asked(**MATHS)).rows
    assert [(row["Prompt"], row["Version"], int(row["Calls"])) for row in rows] == [
        ("solve", "2", 40),
        ("solve", "1", 40),
    ]
    for row, numbers in zip(rows, (range(1, 40, 2), range(0, 40, 2)), strict=True):
        assert row["Reward"] == pytest.approx(fsum(map(reward_of, numbers)) / 20)


def test_a_run_s_staleness_and_drift_are_by_step(seeded: Seeded) -> None:
    stale = ask_panel(seeded.url, "training/staleness", seeded.asked()).rows
    assert [row["versions"] for row in stale] == [step % 2 for step in range(1, 21)]
    drift = ask_panel(seeded.url, "training/drift", seeded.asked()).rows
    assert [row["kl"] for row in drift] == pytest.approx([0.01 * step for step in range(1, 21)])

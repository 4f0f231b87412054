"""What the dashboards' tests read: real captures, rollouts made for the purpose, their rewards, and recorded runs.

Everything goes in the way it does for a user: OTLP and rewards over HTTP, runs and data sets by the LightningStore.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from leyden_store.lightning import LightningStore
from leyden_store.runs import Run, new_id
from leyden_store.selection import Selection
from leyden_store.spans import AttributeValue, Event, Span
from leyden_store.turns import PostedReward
from tests.support.otlp_making import NOW_NS, make

CASES = Path(__file__).parents[1] / "store" / "dialects" / "cases"

CAPTURES = (
    "genai-toolloop", "openinference-toolloop", "traceloop-toolloop", "leyden-toolloop", "pydantic-ai-tools",
    "genai-errors", "openinference-agents-handoff",
)  # fmt: skip
"""Captures of real agents: every dialect's way to write agents, models, tools and errors."""

ROLLOUTS = 40
GROUPS = 8
AGENTS = ("planner", "solver")
MODELS = ("tiny-1", "tiny-2")
MINUTE_NS = 60 * 10**9


def captures() -> Iterator[bytes]:
    """The captures' export requests."""
    for name in CAPTURES:
        yield (CASES / name / "input.pb").read_bytes()


def rollouts() -> list[list[Span]]:
    """Rollouts, a trace each: agent → LLM call → tool → LLM call; every fifth's tool fails, every odd has a reward."""
    random = Random(7)
    return [_rollout(number, random) for number in range(ROLLOUTS)]


def _rollout(number: int, random: Random) -> list[Span]:
    def span(n: int, name: str, after_ms: int, takes_ms: int, **rest: object) -> Span:
        made = make(n, trace=1000 + number, name=name, **rest)  # type: ignore[arg-type]
        start = NOW_NS + number * MINUTE_NS + after_ms * 10**6
        return replace(made, start_ns=start, end_ns=start + takes_ms * 10**6, resource=resource, project="maths")

    agent, model, failed = AGENTS[number % 2], MODELS[number % 2], number % 5 == 0
    resource: dict[str, AttributeValue] = {
        "service.name": "solver-app",
        "leyden.rollout.id": f"rollout-{number:03}",
        "leyden.group.id": f"task-{number % GROUPS}",
        "leyden.attempt": number // GROUPS,
        "leyden.policy.version": f"step-{number // 20}",
    }
    call: dict[str, AttributeValue] = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": model,
        "gen_ai.prompt.name": "solve", "leyden.prompt.version": number % 2 + 1,
    }  # fmt: skip
    told: dict[str, AttributeValue] = {
        "gen_ai.usage.cost": 0.001 * (1 + number % 3),
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.response.finish_reasons": ["tool_calls"],
    }
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    took = random.randrange(100, 900)
    score: dict[str, AttributeValue] = {
        "gen_ai.evaluation.name": "reward",
        "gen_ai.evaluation.score.value": float(number % 4 != 0),
    }
    reward = Event(NOW_NS + number * MINUTE_NS, "gen_ai.evaluation.result", score)
    return [
        span(1, f"invoke_agent {agent}", 0, 2 * took + 60,
             attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent},
             events=(reward,) if number % 2 else ()),
        span(2, f"chat {model}", 5, took, parent=1, kind="Client",
             attributes=call | told | {"gen_ai.usage.input_tokens": 100 + number, "gen_ai.usage.output_tokens": 20},
             response_token_ids=[1, 2], response_logprobs=[-0.1 * (1 + number // 20), -0.3]),
        span(3, "execute_tool search", took + 10, 30, parent=1, attributes=tool,
             status="Error" if failed else "Unset", status_message="no route to host" if failed else ""),
        span(4, f"chat {model}", took + 45, took, parent=1, kind="Client",
             attributes=call | {"gen_ai.usage.input_tokens": 150 + number, "gen_ai.usage.output_tokens": 30}),
    ]  # fmt: skip


def posted_rewards() -> list[dict[str, object]]:
    """Rewards from outside: for the even rollouts, whose spans carry none."""
    return [
        {"rollout_id": f"rollout-{n:03}", "name": "reward", "value": float(n % 3 == 0), "source": "grader"}
        for n in range(0, ROLLOUTS, 2)
    ]


def posted(reward: dict[str, object]) -> PostedReward:
    """One of them, for a store that is open in this process."""
    return PostedReward(**reward)  # type: ignore[arg-type]


def record_runs(store: LightningStore) -> list[Run]:
    """A run that succeeded, with curves, and one that failed; and the data set of the first."""
    spans = [(span.trace_id, span.span_id) for trace in rollouts() for span in trace if span.name.startswith("chat")]
    report = {"rollouts": ROLLOUTS, "llm_spans": 90, "kept": len(spans), "dropped": {"no_token_ids": 8, "failed": 2}}
    store.queries.save("good", "SELECT DISTINCT TraceId FROM otel_traces WHERE RolloutId != ''", description="tried")
    begun = Run(new_id(), "torch-replay", "tiny-1", query="good", query_version=1, report=report, config={"lr": 1e-3})
    done = store.runs.start(begun, spans)
    store.runs.metrics(done.run_id, _curve())
    store.runs.metrics(done.run_id, _curve())  # written again: readers must not count twice
    done = store.runs.succeed(done, "/tmp/checkpoint", "ab" * 32, {"loss": 0.1, "reward": 0.9})
    failed = store.runs.start(
        Run(new_id(), "trl-sft", "tiny-2", report={**report, "dropped": {"failed": 5}}), spans[:4]
    )
    failed = store.runs.fail(failed, "RequirementMissing: the rows hold token id 9, the model has 8 in all")
    store.record_dataset(
        form="trl-sft", path="/tmp/good.jsonl", selection=Selection(), rows=30, sha256="cd" * 32,
        report='{"dropped": {"no_reward": 3}}', spans=spans[:30],
    )  # fmt: skip
    return [done, failed]


def collector_samples() -> list[dict[str, object]]:
    """What two collectors would have kept of themselves: counters that rise, and one that began anew."""
    rising = {"spans_accepted_total": 100, "insert_lag_seconds_sum": 0.5, "insert_lag_seconds_count": 1}
    labelled = {"spans_rejected_total": {"reason": "no_ids"}, "requests_refused_total": {"status": "413"}}
    still = {"spool_bytes": 512, "quarantine_requests": 1, "oldest_unsent_seconds": 0.2, "store_failing_seconds": 0}
    now = datetime.now(UTC)
    return [
        {
            "Timestamp": now - timedelta(minutes=6 - at),  # kept for 30 days only
            "Collector": collector,
            "Name": f"leyden_collector_{name}",
            "Labels": labelled.get(name, {}),
            "Value": float(value),
        }
        for collector in ("one:1", "two:2")
        for at in range(6)
        for name, value in (
            *((name, step * (at % 4)) for name, step in rising.items()),  # begun anew at the fifth
            *((name, at) for name in labelled),
            *still.items(),
            ("quarantined_total", 1),
        )
    ]


def _curve() -> Iterable[tuple[int, dict[str, float]]]:
    for step in range(1, 21):
        yield (
            step,
            {"loss": 2.0 / step, "reward": step / 20, "learning_rate": 1e-3, "kl": 0.01 * step, "staleness": step % 2},
        )

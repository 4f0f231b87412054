"""LLM cost and quality: what models cost, and every model's calls, errors, latency, speed and tokens."""

from __future__ import annotations

from leyden_dashboards.model import Dashboard, Section
from leyden_dashboards.panels import bars, heat, lines, stat, table
from leyden_dashboards.variables import COMMON

_MODEL = "${__field.labels.model}"

PAGE = Dashboard(
    uid="leyden-llm",
    title="LLM cost and quality",
    description="Cost, calls, errors, latency, speed and tokens of every model.",
    variables=COMMON,
    sections=[
        Section(
            "Cost",
            [
                stat(
                    "Cost",
                    "cost/total",
                    unit="currencyUSD",
                    width=8,
                    description="Of the calls that say what they cost, or whose model the price table knows.",
                ),
                stat(
                    "Calls without a price",
                    "cost/unpriced",
                    unit="short",
                    width=8,
                    description="Calls that the sum leaves out: neither they nor the price table say what they cost.",
                ),
                stat(
                    "Input from caches",
                    "cost/cached",
                    unit="percentunit",
                    width=8,
                    description="Share of input tokens that providers read from their caches.",
                ),
                lines("Cost by model", "cost/over_time", unit="currencyUSD", name=_MODEL, description="By model."),
                bars(
                    "Finish reasons",
                    "cost/finish_reasons",
                    unit="short",
                    x="Ended",
                    description="How calls ended: replies cut at a limit are no good training data.",
                ),
                table(
                    "Cost by agent",
                    "cost/by_agent",
                    opens="Agent",
                    units={"Cost": "currencyUSD", "Cost a rollout": "currencyUSD"},
                    description="Every agent's cost, and what one of its rollouts costs.",
                ),
            ],
        ),
        Section(
            "Models",
            [
                table(
                    "Models compared",
                    "llm/models",
                    opens="Model",
                    units={
                        "Error rate": "percentunit",
                        "p50": "s",
                        "p95": "s",
                        "Tokens per second": "none",
                        "Reward": "none",
                    },
                    description="Every model's LLM calls, and the mean reward of the rollouts that used it. "
                    "Tokens per second: output tokens over the time of the calls that reported them.",
                ),
                table(
                    "Prompt versions compared",
                    "llm/by_prompt",
                    units={"Error rate": "percentunit", "p95": "s", "Cached": "percentunit", "Reward": "none"},
                    description="Calls that name their prompt (gen_ai.prompt.name), by its version: their errors, "
                    "tokens, share read from caches, and the mean reward of the rollouts that used it.",
                ),
            ],
        ),
        Section(
            "Over time",
            [
                lines("Calls", "llm/calls", unit="short", name=_MODEL, description="LLM calls, by model."),
                lines(
                    "Error rate",
                    "llm/errors",
                    unit="percentunit",
                    name=_MODEL,
                    min=0,
                    max=1,
                    description="Share of a model's calls that ended in an error.",
                ),
                lines(
                    "Call latency (p95)",
                    "llm/latency",
                    unit="s",
                    name=_MODEL,
                    description="95th percentile of an LLM call's time, by model.",
                ),
                lines(
                    "Tokens per second",
                    "llm/speed",
                    unit="none",
                    name=_MODEL,
                    description="Output tokens over the time of the calls that reported them, by model.",
                ),
                lines(
                    "Prompt size (p95)",
                    "llm/prompts",
                    unit="short",
                    name=_MODEL,
                    description="95th percentile of an LLM call's input tokens: how near prompts come to the limit.",
                ),
                lines(
                    "Reply size (mean)",
                    "llm/replies",
                    unit="short",
                    name=_MODEL,
                    description="Mean output tokens of an LLM call that reported them.",
                ),
                heat(
                    "Call latency",
                    "llm/latency_spread",
                    unit="s",
                    description="How long LLM calls took; 20,000 of them at most, drawn at random.",
                ),
            ],
        ),
    ],
)

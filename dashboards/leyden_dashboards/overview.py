"""The overview: how many rollouts there were, how they went, and what they took."""

from __future__ import annotations

from leyden_dashboards.model import Dashboard, Section
from leyden_dashboards.panels import lines, stat, table
from leyden_dashboards.variables import COMMON

_TIMES = {"Latency p50": "s", "Latency p95": "s"}

PAGE = Dashboard(
    uid="leyden-overview",
    title="Overview",
    description="Rollouts, success, reward, latency, tokens and errors, by agent, model and project.",
    variables=COMMON,
    sections=[
        Section(
            "Now",
            [
                stat(
                    "Rollouts",
                    "overview/rollouts",
                    unit="short",
                    description="Rollouts begun in the time range. A trace that names no rollout is one of its own.",
                ),
                stat(
                    "Without errors",
                    "overview/success",
                    unit="percentunit",
                    min=0,
                    max=1,
                    description="Share of rollouts in which no span ended in an error.",
                ),
                stat(
                    "Mean reward",
                    "overview/reward",
                    unit="none",
                    decimals=3,
                    description="Mean over the rewarded rollouts. A rollout's reward is the mean of its scores named "
                    "`reward`, or of all its scores if none is; rollouts without a score do not count.",
                ),
                stat(
                    "Latency",
                    "overview/latency",
                    unit="s",
                    description="From a rollout's first span to the end of its last: median and 95th percentile.",
                ),
                stat(
                    "Tokens",
                    "overview/tokens",
                    unit="short",
                    description="Tokens of the LLM calls, as the providers reported them.",
                ),
                stat("Error spans", "overview/error_spans", unit="short", description="Spans that ended in an error."),
            ],
        ),
        Section(
            "Over time",
            [
                lines(
                    "Rollouts by agent",
                    "overview/rollouts_over_time",
                    unit="short",
                    name="${__field.labels.agent}",
                    description="Rollouts begun, by agent.",
                ),
                lines(
                    "Reward by agent",
                    "overview/reward_over_time",
                    unit="none",
                    name="${__field.labels.agent}",
                    description="Mean reward of the rollouts begun then, by agent. Gaps: none of them was rewarded.",
                ),
                lines(
                    "Rollout latency",
                    "overview/latency_over_time",
                    unit="s",
                    name="${__field.name}",
                    description="From a rollout's first span to the end of its last.",
                ),
                lines(
                    "Tokens by model",
                    "overview/tokens_over_time",
                    unit="short",
                    name="${__field.labels.model} ${__field.name}",
                    description="Tokens in and out of the LLM calls, by model.",
                ),
                lines(
                    "Errors by project",
                    "overview/errors_over_time",
                    unit="short",
                    width=24,
                    name="${__field.labels.project}",
                    description="Spans that ended in an error, by project.",
                ),
            ],
        ),
        Section(
            "Compared",
            [
                table(
                    "Agents",
                    "overview/by_agent",
                    opens="Agent",
                    units={**_TIMES, "Without errors": "percentunit", "Reward": "none"},
                    description="Every agent's rollouts; an agent is the one its trace names, else its service.",
                ),
                table(
                    "Models",
                    "overview/by_model",
                    opens="Model",
                    units={"Reward": "none", "Call p95": "s", "Error rate": "percentunit"},
                    description="Every model's calls, and the mean reward of the rollouts that used it.",
                ),
                table(
                    "Projects",
                    "overview/by_project",
                    opens="Project",
                    units={**_TIMES, "Without errors": "percentunit", "Reward": "none"},
                    description="Every project's rollouts.",
                ),
            ],
        ),
    ],
)

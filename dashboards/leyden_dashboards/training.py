"""Training: runs and their curves, what was left out of their data, and how each policy version does."""

from __future__ import annotations

from leyden_dashboards.model import Dashboard, Section
from leyden_dashboards.panels import bars, curve, lines, table
from leyden_dashboards.variables import COMMON, METRIC, RUN

PAGE = Dashboard(
    uid="leyden-training",
    title="Training",
    description="Runs, curves, the data they were made of, and the policies they made.",
    variables=(*COMMON, RUN, METRIC),
    since="now-7d",
    sections=[
        Section(
            "Runs",
            [
                table(
                    "Runs begun",
                    "training/runs",
                    units={"Duration": "s", "Kept": "percentunit"},
                    description="Training runs, newest first. Kept: share of the selected LLM spans in the data.",
                ),
            ],
        ),
        Section(
            "The run",
            [
                curve(
                    "Loss",
                    "training/loss",
                    unit="none",
                    x="step",
                    description="The chosen run's loss by step, and on held-out data where the trainer reports it.",
                ),
                curve(
                    "Reward in training",
                    "training/reward",
                    unit="none",
                    x="step",
                    description="The chosen run's reward by step, where the trainer reports one.",
                ),
                curve(
                    "Chosen metric",
                    "training/metric",
                    unit="none",
                    x="step",
                    description="The chosen metric of the chosen run by step.",
                ),
                bars(
                    "LLM spans left out",
                    "training/dropped",
                    unit="short",
                    x="Reason",
                    description="LLM spans of the run's selection that did not become training data, by reason.",
                ),
                table(
                    "Metrics",
                    "training/metrics",
                    unit="none",
                    width=12,
                    description="Every metric of the chosen run: the first value, the last and the extremes.",
                ),
            ],
        ),
        Section(
            "Policies",
            [
                lines(
                    "Reward by policy version",
                    "training/policy_reward",
                    unit="none",
                    name="${__field.labels.policy}",
                    description="Mean reward of rollouts, by the weights that sampled them.",
                ),
                lines(
                    "Mean log-probability by policy version",
                    "training/policy_logprob",
                    unit="none",
                    name="${__field.labels.policy}",
                    description="Mean natural-log probability of sampled tokens, where captured: a drift says that the "
                    "policy became surer, or less sure, of what it says.",
                ),
                table(
                    "Policy versions",
                    "training/policies",
                    units={"Reward": "none", "Log-probability": "none"},
                    description="Every policy version seen in the time range.",
                ),
            ],
        ),
        Section(
            "Made",
            [
                table(
                    "Checkpoints",
                    "training/checkpoints",
                    width=12,
                    description="What runs made; the policy version is the beginning of the checkpoint's hash.",
                ),
                table("Data sets", "training/datasets", width=12, description="Exports, newest first."),
            ],
        ),
    ],
)

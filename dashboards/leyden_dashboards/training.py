"""Training: runs and their curves, what was left out of their data, and how each policy version does."""

from __future__ import annotations

from leyden_dashboards.model import Dashboard, Override, Section
from leyden_dashboards.panels import bars, curve, lines, link, page_link, table
from leyden_dashboards.variables import COMMON, METRIC, PAGE_URL, RUN

_RUN_LINKS = [
    link("Its curves below", "/d/leyden-training?${datasource:queryparam}&${__url_time_range}&var-run=${__value.raw}"),
    page_link("Its page", "/runs/VALUE"),
]
_QUERY_LINKS = [
    page_link("Train on it", "/queries/VALUE#train"),
    page_link("Export it", "/queries/VALUE#export"),
    page_link("Its traces", "/?query=VALUE"),
]

PAGE = Dashboard(
    uid="leyden-training",
    title="Training",
    description="Runs, curves, the data they were made of, and the policies they made.",
    variables=(*COMMON, RUN, METRIC, PAGE_URL),
    since="now-7d",
    sections=[
        Section(
            "Runs",
            [
                table(
                    "Saved queries",
                    "training/queries",
                    overrides=[Override("Query", {"links": _QUERY_LINKS})],
                    description="What can be trained on: a query's name leads to its page, which trains and exports.",
                ),
                table(
                    "Runs begun",
                    "training/runs",
                    units={"Duration": "s", "Kept": "percentunit", "Progress": "percentunit"},
                    overrides=[Override("Run", {"links": _RUN_LINKS})],
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
                curve(
                    "Staleness in training",
                    "training/staleness",
                    unit="none",
                    x="step",
                    description="How many policy versions old the chosen run's data was at each step, on the mean, and "
                    "how many rollouts came too late, where the trainer reports it.",
                ),
                curve(
                    "Drift in training",
                    "training/drift",
                    unit="none",
                    x="step",
                    width=16,
                    description="How far the chosen run's policy went from the one that sampled its data: KL "
                    "divergence, mean probability ratio, share of ratios clipped, where the trainer reports them.",
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
                lines(
                    "Versions behind",
                    "training/behind",
                    unit="none",
                    name="${__field.name}",
                    description="How many versions the sampling policy was behind the newest one seen until then, of "
                    "policy versions that are numbers: on the mean over LLM calls, and at most.",
                ),
                table(
                    "Drift between policy versions",
                    "training/policy_drift",
                    unit="none",
                    width=12,
                    description="What changed from one policy version to the next: mean reward, mean "
                    "log-probability of sampled tokens, tokens of a reply.",
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

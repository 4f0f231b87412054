"""Traces: find one, see it as a waterfall with its LLM calls and its rewards."""

from __future__ import annotations

from leyden_dashboards.model import Dashboard, Section
from leyden_dashboards.panels import heat, table, waterfall
from leyden_dashboards.variables import COMMON, MIN_DURATION, PAGE_URL, SEARCH, TRACE

PAGE = Dashboard(
    uid="leyden-traces",
    title="Traces",
    description="The list of traces, and one trace as a waterfall.",
    variables=(*COMMON, SEARCH, MIN_DURATION, TRACE, PAGE_URL),
    sections=[
        Section(
            "Find",
            [
                heat(
                    "Trace duration",
                    "traces/durations",
                    unit="s",
                    description="How long traces took, by the time they began; 20,000 at most, drawn at random.",
                ),
                table(
                    "Traces found",
                    "traces/found",
                    height=10,
                    trace="Trace",
                    units={"Duration": "s", "Reward": "none"},
                    description="The newest 500 traces that match. A trace id opens it below.",
                ),
            ],
        ),
        Section(
            "The trace",
            [
                waterfall(
                    "Waterfall",
                    "traces/waterfall",
                    description="Every span of the trace named above, whatever the time range. "
                    "Messages are left out: they are the turns' content.",
                ),
                table(
                    "LLM calls",
                    "traces/calls",
                    units={"Duration": "s"},
                    description="The trace's LLM calls, in order. As training data: leyden turns --where "
                    "\"TraceId = '…'\".",
                ),
                table(
                    "Rewards",
                    "traces/rewards",
                    units={"Value": "none"},
                    description="Every score of the trace or its rollout, from spans and from outside.",
                ),
            ],
        ),
    ],
)

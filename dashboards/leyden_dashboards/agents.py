"""Agents and tools: who calls what, and how well the tools do."""

from __future__ import annotations

from leyden_dashboards.model import Dashboard, Section
from leyden_dashboards.panels import graph, lines, table
from leyden_dashboards.variables import COMMON, PAGE_URL

PAGE = Dashboard(
    uid="leyden-agents",
    title="Agents and tools",
    description="Who calls what, and every tool's errors and latency.",
    variables=(*COMMON, PAGE_URL),
    sections=[
        Section(
            "Who calls what",
            [
                graph(
                    "Calls",
                    "agents/nodes",
                    "agents/edges",
                    unit="short",
                    description="Services, agents, models and tools; an edge counts calls. A call whose parent span "
                    "is none of these counts for the trace's first agent, else for its service.",
                ),
            ],
        ),
        Section(
            "Tools",
            [
                table(
                    "Tools by name",
                    "agents/tools",
                    units={"Error rate": "percentunit", "p50": "s", "p95": "s"},
                    description="Tool calls (gen_ai.operation.name = execute_tool and what other conventions call so).",
                ),
                lines(
                    "Tool latency (p95)",
                    "agents/tool_latency",
                    unit="s",
                    name="${__field.labels.tool}",
                    description="95th percentile of a tool call's time, by tool.",
                ),
                lines(
                    "Tool error rate",
                    "agents/tool_errors",
                    unit="percentunit",
                    name="${__field.labels.tool}",
                    min=0,
                    max=1,
                    description="Share of a tool's calls that ended in an error.",
                ),
            ],
        ),
        Section(
            "Errors",
            [
                table(
                    "Latest errors",
                    "agents/errors",
                    height=10,
                    trace="Trace",
                    units={"Duration": "s"},
                    description="The newest 200 spans that ended in an error, of any kind, with what they said.",
                ),
            ],
        ),
    ],
)

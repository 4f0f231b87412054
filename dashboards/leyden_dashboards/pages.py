"""Every dashboard there is, in the order of Grafana's folder."""

from __future__ import annotations

from leyden_dashboards import agents, collector, llm, overview, traces, training

PAGES = (overview.PAGE, traces.PAGE, agents.PAGE, llm.PAGE, training.PAGE, collector.PAGE)

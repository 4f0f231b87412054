"""The choices at the top of the pages."""

from __future__ import annotations

from leyden_dashboards.model import Variable

PROJECT = Variable("project", "Project", "Projects (leyden.project) seen in the time range.", "variables/project")
SERVICE = Variable("service", "Service", "Services (service.name) seen in the time range.", "variables/service")
AGENT = Variable("agent", "Agent", "Agents; a trace that names none counts under its service.", "variables/agent")
MODEL = Variable("model", "Model", "Models that answered in the time range.", "variables/model")
GROUP = Variable("group", "Rollout group", "Tasks (leyden.group.id) attempted in the time range.", "variables/group")
RUN = Variable("run", "Run", "Training runs begun in the time range, newest first.", "variables/run", many=False)
METRIC = Variable("metric", "Metric", "What the run's trainer reported.", "variables/metric", many=False)
SEARCH = Variable("search", "Search", "Text in the root span's name, the trace, rollout, group or session id.")
MIN_DURATION = Variable("min_duration", "Longer than (s)", "Only traces that took at least this many seconds.")
COLLECTOR = Variable(
    "collector", "Collector", "Collectors (host and process) that wrote metrics.", "variables/collector"
)
TRACE = Variable("trace", "Trace id", "The trace shown in the waterfall: follow a trace id of the list.")
PAGE_URL = Variable(
    "page", "Trace page", "Where the collector's own page is, for links to it: traces, runs, the train form.",
    default="http://127.0.0.1:4318", hidden=True,
)  # fmt: skip

COMMON = (PROJECT, SERVICE, AGENT, MODEL, GROUP)
"""On every page about rollouts."""

"""Collector: what comes in, what waits, how far behind the store is, and what was not stored."""

from __future__ import annotations

from leyden_dashboards.model import Dashboard, Section
from leyden_dashboards.panels import lines, stat, table
from leyden_dashboards.variables import COLLECTOR

_NAME = "${__field.labels.collector}"

PAGE = Dashboard(
    uid="leyden-collector",
    title="Collector",
    description="Ingest, spool, lag and quarantine, from the metrics that collectors keep in the store.",
    variables=(COLLECTOR,),
    sections=[
        Section(
            "Now",
            [
                stat(
                    "Spans acknowledged",
                    "collector/accepted_now",
                    unit="short",
                    width=6,
                    description="In the time range: on disk in a spool, then in the store.",
                ),
                stat(
                    "Waiting",
                    "collector/spooled_now",
                    unit="bytes",
                    width=6,
                    description="Acknowledged and not in the store yet: a moment's worth while the store takes.",
                ),
                stat(
                    "Refused",
                    "collector/refused_now",
                    unit="short",
                    width=6,
                    description="In the time range: spans told their sender to be never stored, and requests refused "
                    "(too large, unreadable, or the spool was full).",
                ),
                stat(
                    "In quarantine",
                    "collector/quarantined_now",
                    unit="short",
                    width=6,
                    description="Requests the store could not read, set aside: leyden store quarantine list.",
                ),
            ],
        ),
        Section(
            "Over time",
            [
                lines(
                    "Spans a second",
                    "collector/accepted",
                    unit="short",
                    name=_NAME,
                    description="Spans acknowledged a second, by collector.",
                ),
                lines(
                    "Ingest lag",
                    "collector/lag",
                    unit="s",
                    name="${__field.name}",
                    description="From a request's acknowledgement until it can be read, and the age of the oldest "
                    "that still waits.",
                ),
                lines(
                    "Spooled",
                    "collector/spool",
                    unit="bytes",
                    name=_NAME,
                    description="Bytes acknowledged that the store has not taken yet, by collector.",
                ),
                lines(
                    "Store out of reach",
                    "collector/failing",
                    unit="s",
                    name=_NAME,
                    description="For how long the store has taken nothing; 0 while it takes.",
                ),
            ],
        ),
        Section(
            "Not stored",
            [
                table(
                    "What was not stored, and why",
                    "collector/lost",
                    description="Refused, rejected, dropped by a rule or set aside in the time range. Nothing "
                    "disappears without a number here.",
                ),
            ],
        ),
    ],
)

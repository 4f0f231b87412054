"""The pages' queries and how they are asked: over ClickHouse's HTTP interface, as the data source does."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from leyden_dashboards.model import Variable
from leyden_dashboards.pages import PAGES
from leyden_dashboards.sql import statement
from tests.support.grafana_queries import ALL, Asked, Value, expand

MANY = ("project", "service", "agent", "model", "group", "collector")
"""Variables of which several values may be chosen."""

NUMBER = re.compile(r"(Nullable\()?(U?Int\d+|Float\d+)\)?")
TIME = re.compile(r"DateTime(64\(\d\))?(\('.*'\))?|DateTime64\(\d(, '.*')?\)")
TEXT = "String"


@dataclass(frozen=True)
class Seeded:
    """A collector that runs, and the run recorded in its store."""

    url: str
    run_id: str

    def asked(self, **variables: Value) -> Asked:
        """What a page asks with every variable at All, but for those given."""
        every: dict[str, Value] = {name: [ALL] for name in MANY}
        one = {"run": self.run_id, "metric": "kl", "search": "", "min_duration": "", "trace": f"{1001:032x}"}
        start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1)
        return Asked(min(start, end - timedelta(days=7)), end, 86_400, every | one | variables)


@dataclass(frozen=True)
class Answer:
    """A result: column → type (LowCardinality taken off, as over the wire), and the rows."""

    types: dict[str, str]
    rows: list[dict[str, Any]]

    def numbers(self) -> list[str]:
        return [name for name, kind in self.types.items() if NUMBER.fullmatch(kind)]


def ask(url: str, sql: str) -> Answer:
    """Run a statement with no credentials; fails with the store's words."""
    response = httpx.post(f"{url}/clickhouse", params={"default_format": "JSON"}, content=sql.encode(), timeout=60)
    assert response.status_code == 200, f"{response.text}\n{sql}"
    said = json.loads(response.text)
    types = {c["name"]: re.sub(r"LowCardinality\((\w+)\)", r"\1", c["type"]) for c in said["meta"]}
    return Answer(types, said["data"])


def ask_panel(url: str, sql: str, asked: Asked) -> Answer:
    """Run a panel's or variable's file."""
    return ask(url, expand(statement(sql), asked))


def variables() -> list[Any]:
    """Every variable with a query, once."""
    found: dict[str, Variable] = {v.name: v for page in PAGES for v in page.variables if v.sql}
    return [pytest.param(variable, id=name) for name, variable in found.items()]


def panels() -> list[Any]:
    """Every panel."""
    return [
        pytest.param(panel, id=f"{page.uid.removeprefix('leyden-')}-{panel.title}")
        for page in PAGES
        for panel in page.panels()
    ]


def statements() -> list[str]:
    """Every SQL file a page asks with."""
    of_panels = {query.sql for page in PAGES for panel in page.panels() for query in panel.queries}
    return sorted(of_panels | {v.sql for page in PAGES for v in page.variables if v.sql})

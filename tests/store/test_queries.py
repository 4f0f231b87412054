"""Every file of `queries/` is one statement that runs on a fresh store with its parameters bound."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from leyden_store import sql
from leyden_store.lightning import LightningStore
from leyden_store.selection import Selection

NAMES = sorted(f.name.removesuffix(".sql") for f in (files("leyden_store") / "queries").iterdir())
VALUES = {"Array(String)": ["a"], "Int64": 0, "UInt64": 10, "String": "a", "Float64": 0.5}
PARTS = {
    "{selection}": Selection().trace_ids,
    "{conditions}": "true",
    "{condition}": "true",
    "{of_trace}": "true",
    "{text}": "SpanName",
    "{trace_ids}": "'a'",
    "{parts}": "system.parts",
}
"""What callers put into a query's text."""


def test_every_query_runs_on_a_fresh_store(store: LightningStore) -> None:
    assert len(NAMES) >= 6
    run_every_query(store)


def run_every_query(store: LightningStore) -> None:
    for name in NAMES:
        text = sql.query(name)
        for part, put in PARTS.items():
            text = text.replace(part, put)
        parameters = {found[1]: VALUES[found[2]] for found in re.finditer(r"\{(\w+):([\w()]+)\}", text)}
        assert store.connection.rows(text, parameters) is not None, name


@pytest.mark.parametrize("name", NAMES)
def test_every_query_says_who_asks_it(name: str) -> None:
    assert (files("leyden_store") / "queries" / f"{name}.sql").read_text().startswith("-- ")


def test_statements_end_at_semicolons_that_end_lines() -> None:
    assert sql.statements("-- c; d\nSELECT ';' ;\n\n  -- x\nSELECT 2") == ["SELECT ';'", "SELECT 2"]

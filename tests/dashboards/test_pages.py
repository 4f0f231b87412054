"""The pages as JSON: committed as generated, complete, and a dashboard to Grafana's own model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from leyden_dashboards.alerts import ALERTS
from leyden_dashboards.model import WIDTH, Dashboard, Kind
from leyden_dashboards.pages import PAGES
from leyden_dashboards.sql import statement
from leyden_dashboards.writing import COMMITTED, text, write
from tests.dashboards.asking import statements

PACKAGE = Path(COMMITTED).parents[1] / "leyden_dashboards"
PROVISIONING = COMMITTED.parent / "provisioning"

each_page = pytest.mark.parametrize("page", [pytest.param(page, id=page.uid) for page in PAGES])


@each_page
def test_the_committed_page_is_the_generated_one(page: Dashboard) -> None:
    assert (COMMITTED / f"{page.uid}.json").read_text() == text(page), "run: make dashboards"


def test_nothing_else_is_committed() -> None:
    assert {path.stem for path in COMMITTED.iterdir()} == {page.uid for page in PAGES}


def test_the_command_writes_the_pages_and_drops_old_ones(tmp_path: Path) -> None:
    (tmp_path / "leyden-old.json").write_text("{}")
    (tmp_path / "mine.json").write_text("{}")
    command = [sys.executable, "-m", "leyden_dashboards", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert {path.stem for path in tmp_path.iterdir()} == {"mine", *(page.uid for page in PAGES)}
    assert write(PAGES, tmp_path) == [tmp_path / f"{page.uid}.json" for page in PAGES]


@each_page
def test_a_panel_says_what_it_shows(page: Dashboard) -> None:
    for panel in page.panels():
        assert panel.title
        assert panel.description.endswith(".")
        assert panel.unit
        assert panel.queries
    for variable in page.variables:
        assert variable.label
        assert variable.description.endswith(".")


@each_page
def test_everything_asks_the_chosen_data_source(page: Dashboard) -> None:
    made = page.to_json()
    source = {"type": "grafana-clickhouse-datasource", "uid": "${datasource}"}
    for panel in made["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"] == source
            assert all(target["datasource"] == source for target in panel["targets"])
    chosen, *others = made["templating"]["list"]
    assert (chosen["name"], chosen["type"]) == ("datasource", "datasource")
    assert all(v["datasource"] == source for v in others if v["type"] == "query")


@each_page
def test_a_query_uses_only_its_page_s_variables(page: Dashboard) -> None:
    known = {variable.name for variable in page.variables}
    for query in [query.sql for panel in page.panels() for query in panel.queries]:
        assert set(re.findall(r"\$\{(\w+)", statement(query))) <= known
        assert set(re.findall(r", \$(\w+)\)", statement(query))) <= known


@each_page
def test_a_link_uses_only_its_page_s_variables(page: Dashboard) -> None:
    known = {variable.name for variable in page.variables} | {"datasource"}
    made = json.dumps(page.to_json())
    links = re.findall(r'"url": "([^"]*)"', made)
    assert {name for url in links for name in re.findall(r"\$\{(\w+)", url) if not name.startswith("__")} <= known


def test_from_every_panel_of_traces_its_traces_are_reached() -> None:
    for page in PAGES:
        for panel in page.to_json()["panels"]:
            asks = json.dumps(panel.get("targets", []))
            assert bool(panel.get("links")) == ("${project" in asks)


def test_from_a_saved_query_the_train_form_is_reached_and_from_a_run_its_page() -> None:
    (page,) = [page for page in PAGES if page.uid == "leyden-training"]
    found = {
        (panel.title, override.column): [link["url"] for link in override.properties["links"]]
        for panel in page.panels()
        for override in panel.overrides
        if "links" in override.properties
    }
    assert "${page}/queries/${__value.raw:percentencode}#train" in found["Saved queries", "Query"]
    assert "${page}/runs/${__value.raw:percentencode}" in found["Runs begun", "Run"]


@each_page
def test_ids_are_unique_and_panels_lie_side_by_side(page: Dashboard) -> None:
    panels = page.to_json()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: Counter[tuple[int, int]] = Counter()
    for panel in panels:
        at = panel["gridPos"]
        cells.update((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"]))
    assert set(cells.values()) == {1}
    assert max(x for x, _ in cells) == WIDTH - 1


def test_an_id_stays_when_a_panel_moves() -> None:
    panel = PAGES[0].panels()[0]
    assert panel.to_json(0, 0)["id"] == panel.to_json(12, 40)["id"]


def test_every_sql_file_is_asked() -> None:
    files = {str(p.relative_to(PACKAGE / "queries").with_suffix("")) for p in (PACKAGE / "queries").rglob("*.sql")}
    asked = set(statements()) | {alert.sql for alert in ALERTS}
    parts = {f"_parts/{name}" for file in files for name in re.findall(r"(?<!\$)\{(\w+)\}", _source(file))}
    assert files == asked | parts


def test_every_sql_file_says_who_asks() -> None:
    for path in (PACKAGE / "queries").rglob("*.sql"):
        assert path.read_text().startswith("-- "), path


def test_spans_are_read_folded() -> None:
    """Where spans are counted or listed, FINAL folds retries away; only which values occur may be asked without it."""
    for name in statements():
        for found in re.finditer(
            r"FROM (otel_traces|rewards|runs|run_metrics|checkpoints|datasets)\b(?! FINAL)", statement(name)
        ):
            selected = statement(name)[: found.start()].rpartition("SELECT ")[2]
            rest = statement(name)[found.end() :].split("FROM otel_traces")[0]
            once = selected.startswith("DISTINCT ") or "LIMIT 1 BY" in rest
            values = once and not re.search(r"\b(count|sum|avg|quantile)", selected)
            which = values or re.match(r"(TraceId|TraceId, SpanId|RolloutId)\s*$", selected)
            assert which, (name, selected)


def test_grafana_s_model_keeps_every_word() -> None:
    dashboard = pytest.importorskip(
        "grafana_foundation_sdk.models.dashboard", reason="grafana-foundation-sdk is missing"
    )
    encoder = pytest.importorskip("grafana_foundation_sdk.cog.encoder")
    for page in PAGES:
        made = page.to_json()
        read = dashboard.Dashboard.from_json(json.loads(json.dumps(made)))
        assert _lost(made, json.loads(encoder.JSONEncoder().encode(read))) == []


@pytest.mark.parametrize("name", ["server", "gateway"])
def test_a_data_source_is_the_one_the_pages_name(name: str) -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / f"leyden-{name}.yaml").read_text())["datasources"]
    assert (source["uid"], source["type"]) == ("leyden", "grafana-clickhouse-datasource")
    assert source["jsonData"]["protocol"] == "http"
    assert source["jsonData"].get("path") == {"server": None, "gateway": "/clickhouse"}[name]
    assert "password" not in source["jsonData"]
    assert source.get("secureJsonData", {}).get("password", "$").startswith("$")


def test_the_folder_of_pages_is_provisioned() -> None:
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "leyden.yaml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"] == "/etc/grafana/leyden"


def test_a_trace_is_reached_from_every_list_of_traces() -> None:
    for page in PAGES:
        for panel in page.panels():
            columns = re.findall(r'(?:trace_id|TraceId) AS "(\w+)"', statement(panel.queries[0].sql))
            linked = {o.column for o in panel.overrides if "var-trace=" in json.dumps(dict(o.properties))}
            if panel.kind is Kind.TABLE:
                assert set(columns) == linked


def _source(name: str) -> str:
    return (PACKAGE / "queries" / f"{name}.sql").read_text()


def _lost(made: Any, read: Any, at: str = "") -> list[str]:
    """What `made` says and `read` does not."""
    if isinstance(made, dict) and isinstance(read, dict):
        missing = [f"{at}.{key}" for key in made.keys() - read.keys()]
        return missing + [
            lost for key in made.keys() & read.keys() for lost in _lost(made[key], read[key], f"{at}.{key}")
        ]
    if isinstance(made, list) and isinstance(read, list) and len(made) == len(read):
        return [lost for i, (a, b) in enumerate(zip(made, read, strict=True)) for lost in _lost(a, b, f"{at}[{i}]")]
    return [] if made == read else [f"{at}: {made!r} became {read!r}"]

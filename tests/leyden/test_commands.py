"""Every command does on real captures what it says, and prints what programs rely on."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from leyden_store.otlp import decode_traces
from leyden_store.turns import Turn
from tests.leyden.conftest import CASES
from tests.support.cli import Cli
from tests.support.otlp_making import by_id, differences

GENAI = CASES / "genai-toolloop" / "input.pb"


def test_ingesting_again_changes_nothing(cli: Cli) -> None:
    before = cli.lines("traces", "--json")
    spans = len(decode_traces(GENAI.read_bytes()))
    assert cli("ingest", GENAI).stdout == f"stored {spans} spans from 1 files\n"
    assert cli.lines("traces", "--json") == before


def test_a_malformed_file_is_named_and_the_good_ones_are_stored(empty: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad.pb").write_bytes(b"\xff" * 30)
    (tmp_path / "half.jsonl").write_text('{"resourceSpans": []}\n{"resourceSpans": 3}\n')
    (tmp_path / "notes.txt").write_text("")
    done = empty("ingest", GENAI, "bad.pb", "half.jsonl", "notes.txt", "gone.pb", code=1)
    assert done.stdout == f"stored {len(decode_traces(GENAI.read_bytes()))} spans from 1 files\n"
    lines = done.stderr.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["bad.pb", "half.jsonl", "notes.txt", "gone.pb"]
    assert "line 2" in lines[1]
    assert "no OTLP file's" in lines[2]
    assert "No such file" in lines[3]
    assert len(empty.lines("traces", "--json")) == len({s.trace_id for s in decode_traces(GENAI.read_bytes())})


def test_a_folder_means_the_otlp_files_in_it(empty: Cli, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pb").write_bytes(GENAI.read_bytes())
    (tmp_path / "in" / "readme.txt").write_text("x")
    assert "from 1 files" in empty("ingest", "in").stdout


def test_traces_are_listed_newest_first(cli: Cli) -> None:
    found = cli.lines("traces", "--json")
    assert list(found[0]) == [
        "trace_id", "project", "rollout_id", "group_id", "session_id", "agent", "service", "name", "start_ns", "end_ns",
        "spans", "llm_spans", "errors",
    ]  # fmt: skip
    assert [t["start_ns"] for t in found] == sorted((t["start_ns"] for t in found), reverse=True)
    assert cli.lines("traces", "--json", "--limit", "1") == found[:1]
    assert cli.lines("traces", "--json", "--where", f"TraceId = '{found[-1]['trace_id']}'") == found[-1:]
    assert found[0]["trace_id"][:16] in cli("traces").stdout
    assert "no traces" in cli("traces", "--where", "0").stdout


@pytest.mark.parametrize("command", ["traces", "sessions", "search hello", "audit", "query run q"])
def test_a_list_is_of_so_many_rows_or_none(empty: Cli, command: str) -> None:
    for wrong in ("-1", "many", "1.5"):
        said = empty(*command.split(), f"--limit={wrong}", code=2).stderr
        assert f"argument --limit: '{wrong}' is no number of rows: give 0 or more" in said


def test_a_trace_is_drawn_or_printed(cli: Cli) -> None:
    (trace,) = cli.lines("traces", "--json", "--limit", "1")
    drawn = cli("trace", trace["trace_id"][:10]).stdout
    assert trace["name"] in drawn
    assert "tokens" in drawn
    (tree,) = cli.lines("trace", trace["trace_id"], "--json")
    assert isinstance(tree, dict)
    assert trace["trace_id"] in json.dumps(tree)


def test_turns_are_one_object_a_line_in_the_documented_order(cli: Cli) -> None:
    turns = cli.lines("turns", "--json")
    first = [
        "trace_id", "span_id", "parent_span_id", "rollout_id", "group_id", "attempt", "session_id", "turn_index",
        "agent", "dialect", "provider", "model", "messages", "response", "tools", "finish_reason", "usage", "cost",
        "params", "start_ns", "end_ns", "status", "rewards", "policy_version", "prompt_token_ids", "response_token_ids",
        "response_logprobs",
    ]  # fmt: skip
    assert list(turns[0])[: len(first)] == first
    assert set(turns[0]) == set(Turn.__dataclass_fields__)
    assert {t["dialect"] for t in turns} == {"genai", "openinference", "traceloop"}


def test_queries_are_saved_listed_shown_and_deleted(cli: Cli) -> None:
    traces = cli.lines("traces", "--json")
    said = cli("query", "save", "all", "--where", "1", "--description", "everything").stdout
    assert said == f"saved 'all' version 1; it selects {len(traces)} traces now\n"
    (cli.folder / "q.sql").write_text("SELECT TraceId FROM traces -- newest first\nORDER BY Start DESC LIMIT 1;\n")
    assert "version 2; it selects 1 traces" in cli("query", "save", "all", "--sql", "@q.sql").stdout
    (listed,) = cli.lines("query", "list", "--json")
    assert list(listed) == ["name", "version", "sql", "description", "owner", "created_at"]
    (shown,) = cli.lines("query", "show", "all", "--version", "1", "--json")
    assert (shown["version"], shown["description"]) == (1, "everything")
    assert "everything" in cli("query", "show", "all", "--version", "1").stdout
    assert len(cli.lines("traces", "--query", "all", "--json")) == 1
    cli("query", "delete", "all")
    assert cli("query", "list").stdout == ""


def test_an_export_of_otlp_holds_the_very_spans_that_came_in(cli: Cli) -> None:
    cli("export", "--format", "otlp", "--out", "out.pb")
    sent = [
        span for name in ("genai", "openinference", "traceloop")
        for span in decode_traces((CASES / f"{name}-toolloop" / "input.pb").read_bytes())
    ]  # fmt: skip
    assert differences(by_id(sent), by_id(decode_traces((cli.folder / "out.pb").read_bytes()))) == []


def test_an_export_of_spans_is_the_table(cli: Cli) -> None:
    (report,) = cli.lines("export", "--format", "spans", "--out", "out.parquet", "--json")
    table = pq.read_table(cli.folder / "out.parquet")
    assert report["rows"] == table.num_rows > 0
    assert {"Timestamp", "TraceId", "SpanId", "SpanAttributes", "Events.Name", "RolloutId"} <= set(table.column_names)


@pytest.mark.parametrize("form", ["turns", "trl-sft"])
def test_an_export_prints_what_it_kept_and_dropped_and_is_recorded(cli: Cli, form: str) -> None:
    (made,) = cli.lines("export", "--format", form, "--out", "out.jsonl", "--json")
    assert list(made) == ["dataset_id", "path", "rows", "sha256", "report"]
    rows = (cli.folder / "out.jsonl").read_text().splitlines()
    assert made["rows"] == len(rows) > 0
    assert all(json.loads(row) for row in rows)
    assert "wrote" in cli("export", "--format", form, "--out", "again.jsonl").stdout


def test_the_store_is_migrated_counted_and_compacted(cli: Cli) -> None:
    assert cli("store", "migrate").stdout.startswith("the schema is at 00")
    (stats,) = cli.lines("store", "stats", "--json")
    counts = ["spans", "traces", "rollouts", "rewards", "runs", "bytes_on_disk", "parts", "erased_late"]
    assert list(stats) == [*counts, "projects", "tables"]
    assert stats["traces"] == len(cli.lines("traces", "--json"))
    assert "spans" in cli("store", "stats").stdout
    assert cli("store", "compact").stdout.startswith("compacted: ")


def test_a_store_without_runs_lists_none(cli: Cli) -> None:
    assert cli("runs").stdout == ""
    assert cli.lines("runs", "--json") == []


def test_every_command_has_help(empty: Cli) -> None:
    assert "Record what agents do" in empty("--help").stdout
    for command in (
        "up",
        "run",
        "ingest",
        "traces",
        "trace",
        "turns",
        "query",
        "export",
        "train",
        "runs",
        "store",
        "demo",
    ):
        assert command in empty("--help").stdout
        assert "usage: leyden" in empty(command, "--help").stdout
    assert empty("--version").stdout.startswith("leyden ")

"""`leyden store retain|backup|restore|index|stats`, `leyden search` and `leyden sessions`, as people run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from leyden.cli import main
from leyden_store.otlp import encode_traces
from tests.support.cli import Cli
from tests.support.otlp_making import chat, make


def test_keeping_and_finding(empty: Cli, tmp_path: Path) -> None:
    spans = [make(1, session_id="s1", user_id="u"), chat(2, parent=1, said="the lighthouse keeper")]
    (tmp_path / "in.pb").write_bytes(encode_traces(spans))
    empty("ingest", "in.pb")
    assert "text index is on" in empty("store", "index", "--text", "on").stdout
    (found,) = empty.lines("search", "KEEPER lighthouse", "--json")
    assert found["span_id"] == spans[1].span_id
    assert "no message holds" in empty("search", "nothing-here").stdout
    (session,) = empty.lines("sessions", "--json")
    assert (session["session_id"], session["user_id"], session["traces"]) == ("s1", "u", 1)
    assert "s1" in empty("sessions").stdout
    assert empty.lines("store", "retain", "--project", "default", "--days", "36500", "--json") == [{"default": 36500}]
    assert "say --project" in empty("store", "retain", code=2).stderr
    (stats,) = empty.lines("store", "stats", "--json")
    assert [(p["project"], p["spans"]) for p in stats["projects"]] == [("default", 2)]
    assert "otel_traces" in {t["name"] for t in stats["tables"]}
    (made,) = empty.lines("store", "backup", tmp_path / "copy", "--json")
    assert made["rows"]["otel_traces"] == 2
    other = Cli(tmp_path, f"chdb://{tmp_path}/other")
    other("store", "restore", tmp_path / "copy")
    assert other.lines("traces", "--json") == empty.lines("traces", "--json")


def test_who_waits_for_a_search_without_an_index_is_told_of_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("leyden.cli.search._SLOW_S", 0.0)
    said = []
    for words in ("search hello", "search --substring hello", "store index --text on", "search hello"):
        assert main([*words.split(), "--store", cli.env["LEYDEN_STORE"]]) == 0
        said.append(capsys.readouterr().err)
    assert said == ["leyden: every message was read; to search an index: leyden store index --text on\n", "", "", ""]

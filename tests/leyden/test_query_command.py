"""`leyden query`: flags a person would use become SQL that is kept, shown and previewed."""

from __future__ import annotations

import json

from tests.support.cli import Cli


def test_flags_become_a_query_that_is_shown_and_run(cli: Cli) -> None:
    calling = {t["trace_id"] for t in cli.lines("turns") if "convert_temp" in json.dumps(t["response"])}
    flags = ["--has-tool", "convert_temp", "--since", "2020-01-01", "--model", "fake-tool-2026-01-01"]
    said = cli("query", "save", "tools", *flags).stdout
    assert said == f"saved 'tools' version 1; it selects {len(calling)} traces now\n"
    (shown,) = cli.lines("query", "show", "tools", "--json")
    assert (shown["versions"], shown["parameters"], shown["traces"]) == ([1], {}, len(calling))
    assert shown["last_used_at"] is None
    (run,) = cli.lines("query", "run", "tools", "--json", "--limit", "1")
    assert (run["traces"], len(run["first"])) == (len(calling), 1)
    assert run["llm_spans"] == len(cli.lines("turns", "--query", "tools"))
    assert "last used" in cli("query", "show", "tools").stdout
    assert "traces," in cli("query", "run", "--has-tool", "convert_temp").stdout
    assert cli.lines("traces", "--has-tool", "nothing", "--json") == []


def test_parameters_are_given_when_a_query_is_used(cli: Cli) -> None:
    (trace,) = cli.lines("traces", "--json", "--limit", "1")
    assert (
        "--param id=…"
        in cli("query", "save", "one", "--sql", "SELECT TraceId FROM traces WHERE TraceId = {id:String}").stdout
    )
    assert cli.lines("traces", "--query", "one", "--param", f"id={trace['trace_id']}", "--json") == [trace]
    assert "give --param id=VALUE" in cli.refused("turns", "--query", "one", code=2)
    assert "is not NAME=VALUE" in cli.refused("turns", "--query", "one", "--param", "id", code=2)
    cli("query", "save", "one", "--where", "1")
    (old,) = cli.lines("traces", "--query", "one@1", "--param", f"id={trace['trace_id']}", "--json")
    assert old == trace


def test_a_hostile_query_is_one_line(cli: Cli) -> None:
    assert "system.users names a database" in cli.refused(
        "query", "save", "x", "--sql", "SELECT name AS TraceId FROM system.users", code=2
    )
    assert "cannot read the query from none.sql" in cli.refused("query", "save", "x", "--sql", "@none.sql", code=2)
    assert json.loads(cli("query", "list", "--json").stdout or "[]") == []

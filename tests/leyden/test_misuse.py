"""What goes wrong is one line that says what to do: exit code 2 for misuse, 1 for failure, nothing half-written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.leyden.conftest import CASES
from tests.support.cli import Cli


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required"),
        (["nope"], "invalid choice"),
        (["traces", "--limit", "x"], "is no number of rows"),
        (["turns", "--query", "a", "--where", "b"], "not allowed with"),
        (["export", "--format", "turns"], "--out PATH"),
        (["train", "--trainer", "trl-sft", "--model", "./m", "--out", "o"], "needs --query, --where or --sql"),
        (["query", "save", "x"], "is required"),
    ],
)
def test_misuse_is_one_line_and_exit_2(empty: Cli, arguments: list[str], said: str) -> None:
    line = empty.refused(*arguments, code=2)
    assert said in line
    assert "--help" in line


def test_run_without_a_command_is_misuse(empty: Cli) -> None:
    assert "give a command after --" in empty.refused("run", "--", code=2)
    assert "give a command after --" in empty.refused("run", code=2)


@pytest.mark.parametrize(
    ("dsn", "said", "code"),
    [
        ("postgres://x", "is no DSN; write chdb:///path", 2),
        ("clickhouse://u:secret@127.0.0.1:1/db", "no ClickHouse answers at 127.0.0.1:1", 1),
        ("chdb:///proc/nowhere", "cannot use /proc/nowhere as a store folder", 1),
    ],
)
def test_a_wrong_store_is_said(empty: Cli, dsn: str, said: str, code: int) -> None:
    for command in (["traces"], ["up", "--http-port", "0"], ["export", "--format", "turns", "--out", "x.jsonl"]):
        line = empty.refused(*command, "--store", dsn, code=code)
        assert said in line
        assert "secret" not in line
    assert list(empty.folder.iterdir()) == []


@pytest.mark.slow
def test_a_store_that_is_held_names_its_holder(cli: Cli) -> None:
    program = (
        f"from leyden_store.lightning import LightningStore\ns = LightningStore.open('chdb://{cli.folder}/store')\n"
        "print('held', flush=True)\nimport time; time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            holder.stdout.readline()
            assert f"is held by process {holder.pid} (-c)" in cli.refused("traces")
        finally:
            holder.kill()


@pytest.mark.parametrize("command", [["turns"], ["traces"], ["export", "--format", "turns", "--out", "x.jsonl"]])
def test_an_unknown_query_names_the_near_ones(cli: Cli, command: list[str]) -> None:
    cli("query", "save", "good-runs", "--where", "1")
    assert "did you mean good-runs?" in cli.refused(*command, "--query", "god-runs")
    assert not (cli.folder / "x.jsonl").exists()


@pytest.mark.parametrize("form", ["turns", "trajectories", "trl-sft", "spans", "otlp"])
def test_an_empty_selection_writes_nothing(cli: Cli, form: str) -> None:
    out = {"spans": "x.parquet", "otlp": "x.pb"}.get(form, "x.jsonl")
    (cli.folder / out).write_text("what was there")
    before = sorted(cli.folder.iterdir())
    assert "no trace matches" in cli.refused("export", "--format", form, "--out", out, "--where", "0")
    assert (cli.folder / out).read_text() == "what was there"
    assert sorted(cli.folder.iterdir()) == before


@pytest.mark.parametrize("where", ["1;", "(", "file('/etc/hostname') = ''", "1; DROP TABLE otel_traces"])
def test_a_where_that_cannot_be_is_one_line(cli: Cli, where: str) -> None:
    assert cli.refused("turns", "--where", where, code=2).startswith("leyden: ")


def test_a_column_that_is_none_is_one_line(cli: Cli) -> None:
    assert "nope" in cli.refused("turns", "--where", "nope = 1")


def test_a_trace_that_is_not_there_is_said(cli: Cli) -> None:
    assert "no span of trace 'ffff' is stored; list traces with: leyden traces" in cli.refused("trace", "ffff")


def test_an_unknown_format_names_the_near_ones(cli: Cli) -> None:
    assert "trl-sft" in cli.refused("export", "--format", "trl-sf", "--out", "x.jsonl", code=2)
    assert "spans" in cli.refused("export", "--format", "span", "--out", "x.parquet", code=2)
    assert ".parquet" in cli.refused("export", "--format", "spans", "--out", "x.jsonl")


def test_a_file_that_cannot_be_written_is_said(cli: Cli) -> None:
    assert "/proc/" in cli.refused("export", "--format", "turns", "--out", "/proc/nowhere/x.jsonl")


def test_a_run_that_is_not_there_is_said(cli: Cli) -> None:
    assert "list them with: leyden runs" in cli.refused("runs", "nope")


@pytest.mark.parametrize("trainer", ["trl-sft", "torch-replay"])
def test_a_model_folder_that_is_none_is_said_before_anything_is_made(cli: Cli, trainer: str) -> None:
    (cli.folder / "model").mkdir()
    done = cli("train", "--trainer", trainer, "--where", "1", "--model", "model", "--out", "out", code=1)
    assert done.stderr.splitlines()[-1].startswith("leyden: ")
    assert "Traceback" not in done.stderr
    assert not (cli.folder / "out").exists()


def test_an_unknown_trainer_names_those_there_are(cli: Cli) -> None:
    line = cli.refused("train", "--trainer", "nope", "--where", "1", "--model", "m", "--out", "out", code=2)
    assert "trl-sft" in line


@pytest.mark.parametrize(
    ("missing", "extra", "command"),
    [
        ("chdb", "collector", ["traces"]),
        ("clickhouse_connect", "collector", ["turns"]),
        ("fastapi", "collector", ["up"]),
        ("trl", "trainers", ["train", "--trainer", "trl-sft", "--where", "1", "--model", "./m", "--out", "o"]),
    ],
)
def test_a_missing_extra_says_what_to_install(
    cli: Cli, tmp_path: Path, missing: str, extra: str, command: list[str]
) -> None:
    block = tmp_path / "block"
    block.mkdir()
    (cli.folder / "m").mkdir()
    (cli.folder / "m" / "config.json").write_text("{}")
    (block / f"{missing}.py").write_text(
        f"raise ModuleNotFoundError(\"No module named '{missing}'\", name='{missing}')"
    )
    cli("ingest", CASES / "leyden-toolloop" / "input.pb")  # has token ids
    done = cli(*command, code=1, PYTHONPATH=str(block))
    assert (
        done.stderr.splitlines()[-1]
        == f"leyden: this needs {missing}, which is not installed: pip install 'leyden[{extra}]'"
    )


def test_a_traceback_is_shown_only_when_asked_for(cli: Cli) -> None:
    assert "Traceback" in cli("--debug", "trace", "ffff", code=1).stderr


@pytest.mark.parametrize("command", ["turns --json", "traces", "--help"])
@pytest.mark.parametrize("reader", ["head -c 1", "true"])
def test_a_reader_that_goes_away_ends_it_quietly(cli: Cli, command: str, reader: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m leyden {command} | {reader} > /dev/null"],
        cwd=cli.folder, env=cli.env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""


def test_scoring_that_compares_with_nothing_says_what_it_needs(cli: Cli) -> None:
    done = cli("score", "--where", "1", "--reward", "exact", code=1)
    assert "scored 0 of" in done.stdout
    assert "no reference: " in done.stderr
    assert "give --reference FILE" in done.stderr

"""`leyden run` is the agent's own process; with `leyden up` its spans are in the store; both end as they are told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from leyden_store.holder import read_holder
from leyden_store.otlp import decode_traces
from tests.leyden.conftest import CASES
from tests.support.cli import Cli
from tests.support.collector import Collector, ask
from tests.support.fake_llm import FakeLlm

AGENT = Path(__file__).parents[2] / "examples" / "tool_agent" / "agent.py"


@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_exit_code_is_the_commands(empty: Cli, code: int) -> None:
    empty("run", "--", "sh", "-c", f"exit {code}", code=code)


def test_a_command_that_cannot_start_is_said(empty: Cli) -> None:
    assert "cannot start 'nowhere'" in empty.refused("run", "--", "nowhere", code=127)
    assert "cannot start '/etc/hostname'" in empty.refused("run", "--", "/etc/hostname", code=126)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_reaches_the_command(empty: Cli, number: int) -> None:
    command = [
        sys.executable,
        "-m",
        "leyden",
        "run",
        "--",
        sys.executable,
        "-c",
        "print(1, flush=True); import time; time.sleep(60)",
    ]
    with subprocess.Popen(
        command, env=empty.env, cwd=empty.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.send_signal(number)
        assert running.wait(20) == -number


def test_input_output_and_arguments_pass_through(empty: Cli) -> None:
    program = "import sys; print(sys.stdin.read() + sys.argv[1])"
    command = [sys.executable, "-m", "leyden", "run", "--", sys.executable, "-c", program, "--json"]
    done = subprocess.run(
        command, input="hello ", env=empty.env, cwd=empty.folder, capture_output=True, text=True, check=True
    )
    assert done.stdout == "hello --json\n"


def test_an_agent_runs_unharmed_without_a_collector(empty: Cli) -> None:
    with FakeLlm() as llm:
        done = empty("run", "--endpoint", "http://127.0.0.1:1", "--", sys.executable, AGENT, **llm.env())
    assert done.stdout
    assert "Traceback" not in done.stderr


def test_an_unmodified_agents_rollout_is_one_tree_in_the_store(empty: Cli) -> None:
    dsn = empty.env["LEYDEN_STORE"]
    with Collector(dsn, empty.folder) as collector, FakeLlm(policy_version=7) as llm:
        empty(
            "run", "--rollout-id", "r-1", "--group-id", "g", "--attempt", "2", "--", sys.executable, AGENT, **llm.env()
        )
        reward = json.dumps({"value": 0.75, "rollout_id": "r-1"}).encode()
        assert ask(f"{collector.url}/api/rewards", reward, content_type="application/json").json() == {"stored": 1}
        (trace,) = empty.lines("traces", "--json")
        assert (trace["rollout_id"], trace["group_id"]) == ("r-1", "g")
        turns = empty.lines("turns", "--json")
        assert turns
        assert all(t["response_token_ids"] and t["response_logprobs"] for t in turns)
        assert {(t["rollout_id"], t["group_id"], t["attempt"], t["policy_version"]) for t in turns} == {
            ("r-1", "g", 2, "7")
        }
        (report,) = empty.lines("export", "--format", "trajectories", "--out", "t.jsonl", "--json")
        rows = [json.loads(line) for line in (empty.folder / "t.jsonl").read_text().splitlines()]
        assert report["rows"] == len(rows) > 0
        assert {row["reward"] for row in rows} == {0.75}
        assert collector.query("SELECT uniqExact(TraceId) FROM otel_traces WHERE RolloutId = 'r-1'").body == b"1\n"
        assert collector.stop(signal.SIGINT) == 0


def test_while_it_is_up_every_command_goes_through_it(empty: Cli) -> None:
    case = CASES / "genai-toolloop" / "input.pb"
    with Collector(empty.env["LEYDEN_STORE"], empty.folder) as collector:
        assert "stored" in empty("ingest", case).stdout
        trace = empty.lines("traces", "--json")[0]
        assert empty.lines("trace", trace["trace_id"], "--json")
        empty("query", "save", "all", "--where", "1")
        for form, out in (("spans", "x.parquet"), ("otlp", "x.pb"), ("turns", "x.jsonl")):
            empty("export", "--format", form, "--out", out, "--query", "all")
        (stats,) = empty.lines("store", "stats", "--json")
        assert stats["spans"] == len(decode_traces(case.read_bytes()))
        empty("store", "compact")
        assert collector.stop() == 0
    assert read_holder(empty.folder / "store") is None
    assert empty.lines("store", "stats", "--json")[0]["spans"] == stats["spans"]


def test_a_malformed_file_is_refused_through_it_too(empty: Cli) -> None:
    (empty.folder / "bad.pb").write_bytes(b"\xff" * 30)
    with Collector(empty.env["LEYDEN_STORE"], empty.folder):
        done = empty("ingest", "bad.pb", code=1)
    assert done.stdout == "stored 0 spans from 0 files\n"
    assert done.stderr.startswith("leyden: bad.pb: ")


def test_its_api_is_described_and_works(empty: Cli) -> None:
    with Collector(empty.env["LEYDEN_STORE"], empty.folder) as collector:
        collector.send((CASES / "genai-toolloop" / "input.pb").read_bytes())
        collector.flush()
        paths = ask(f"{collector.url}/openapi.json").json()["paths"]
        assert {
            "/v1/traces",
            "/api/rewards",
            "/api/traces",
            "/api/traces/{trace_id}",
            "/api/turns",
            "/clickhouse",
        } <= set(paths)
        trace = ask(f"{collector.url}/api/traces").json()["items"][0]
        assert ask(f"{collector.url}/api/traces/{trace['trace_id']}").status == 200
        assert ask(f"{collector.url}/api/traces/ffff").status == 404
        assert len(ask(f"{collector.url}/api/turns?limit=1").json()["items"]) == 1
        assert ask(f"{collector.url}/api/turns?where=0").json()["items"] == []
        assert ask(f"{collector.url}/api/turns?query=nope").status == 404
        for bad in ("turns?where=nope", "traces?where=file('/etc/hostname')=''", "traces?where=(("):
            answer = ask(f"{collector.url}/api/{bad}")
            assert (answer.status, list(answer.json())) == (400, ["error"]), bad
        for body in (
            b"{",
            b"{}",
            b'{"value": "x", "rollout_id": "r"}',
            b'{"value": NaN, "rollout_id": "r"}',
            b'{"value": 1}',
        ):
            assert ask(f"{collector.url}/api/rewards", body, content_type="application/json").status == 422, body
        assert ask(f"{collector.url}/api/flush?timeout_s=nan", b"", method="POST").status == 422

"""`leyden export --explain`, as people run it: a process of its own over a store with a real capture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CAPTURE = Path(__file__).parents[1] / "store" / "dialects" / "cases" / "openinference-vllm" / "input.pb"
EXPLAIN = ("export", "--format", "trajectories", "--explain")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    assert leyden(folder, "ingest", str(CAPTURE)).returncode == 0
    return folder


def test_a_beginning_of_the_id_is_enough_and_nothing_is_written(folder: Path) -> None:
    turn = a_turn(folder)
    before = sorted(path.name for path in folder.iterdir())
    shown = leyden(folder, *EXPLAIN, turn["rollout_id"][:8])
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(f"rollout {turn['rollout_id']}  group –  reward none (none)\n\nrow 0: first")
    assert f"⟦{' '.join(map(str, turn['response_token_ids']))}⟧  {turn['span_id']}" in shown.stdout
    assert f"{turn['span_id']}  row 0" in shown.stdout
    assert sorted(path.name for path in folder.iterdir()) == before


def test_json_holds_the_same(folder: Path) -> None:
    turn = a_turn(folder)
    shown = leyden(folder, *EXPLAIN, turn["rollout_id"], "--json", "--drop-truncated", "--agent", "nobody")
    told = json.loads(shown.stdout)
    assert told["rollout_id"] == turn["rollout_id"]
    assert told["rows"] == []
    assert [span["reason"] for span in told["spans"]] == ["agent"]


def test_a_wrong_id_is_one_line_with_near_ones(folder: Path) -> None:
    turn = a_turn(folder)
    failed = leyden(folder, *EXPLAIN, turn["rollout_id"][:-2] + "zz")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert len(failed.stderr.splitlines()) == 1
    assert turn["rollout_id"] in failed.stderr


@pytest.mark.parametrize(
    "misused",
    [
        ("export", "--format", "trl-sft", "--explain", "r"),
        ("export", "--format", "trajectories", "--explain", "r", "--out", "x.jsonl"),
        ("export", "--format", "trajectories"),
        ("export", "--format", "trajectories", "--out", "x.jsonl", "--tokenizer", "t"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(folder: Path, misused: tuple[str, ...]) -> None:
    failed = leyden(folder, *misused)
    assert failed.returncode == 2
    assert len(failed.stderr.splitlines()) == 1


def a_turn(folder: Path) -> dict[str, Any]:
    turns = map(json.loads, leyden(folder, "turns").stdout.splitlines())
    return next(turn for turn in turns if turn["prompt_token_ids"])


def leyden(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "LEYDEN_"))}
    return subprocess.run(
        [sys.executable, "-m", "leyden", *arguments],
        cwd=folder,
        env=clean | {"LEYDEN_STORE": f"chdb://{folder}/store"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

"""`leyden export --explain`, as people run it: a process of its own over a store with a real capture."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_tokenizer import tiny_tokenizer

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


def test_on_a_terminal_trained_tokens_are_green_and_with_no_color_or_in_a_pipe_nothing_is(folder: Path) -> None:
    turn = a_turn(folder)
    trained = " ".join(map(str, turn["response_token_ids"]))
    shown = {name: on_a_terminal(folder, name, *EXPLAIN, turn["rollout_id"]) for name in ("", "NO_COLOR")}
    assert re.search(rf"\x1b\[[0-9;]*32m⟦{trained}⟧\x1b\[0m", shown[""])
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", shown["NO_COLOR"])
    assert f"⟦{trained}⟧" in re.sub(r"\x1b\[[0-9;]*m", "", shown["NO_COLOR"])
    assert "\x1b" not in leyden(folder, *EXPLAIN, turn["rollout_id"]).stdout


def test_a_tokenizer_shows_text_instead_of_ids(folder: Path, tmp_path: Path) -> None:
    turn = a_turn(folder)
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    shown = leyden(folder, *EXPLAIN, turn["rollout_id"], "--tokenizer", str(tmp_path / "tokenizer"))
    assert shown.returncode == 0, shown.stderr
    assert f"⟦{tokenizer.decode(turn['response_token_ids'])}⟧" in shown.stdout


def test_a_tokenizer_that_is_none_is_one_line(folder: Path, tmp_path: Path) -> None:
    failed = leyden(folder, *EXPLAIN, "r", "--tokenizer", str(tmp_path))
    assert failed.returncode == 1
    assert len(failed.stderr.splitlines()) == 1


def on_a_terminal(folder: Path, variable: str, *command: str) -> str:
    """What the command writes to a terminal of its own."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "LEYDEN_STORE": f"chdb://{folder}/store"}
    environment.pop("NO_COLOR", None)
    environment |= {variable: "1"} if variable else {}
    process = subprocess.Popen(
        [sys.executable, "-m", "leyden", *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        cwd=folder,
    )
    os.close(theirs)
    written = b""
    # A terminal whose other side is closed reads as an error.
    with suppress(OSError):
        while piece := os.read(ours, 1 << 16):
            written += piece
    os.close(ours)
    assert process.wait(timeout=60) == 0
    return written.decode()

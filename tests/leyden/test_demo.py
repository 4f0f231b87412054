"""`leyden demo`: the whole way, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM


def _leyden(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "leyden", *map(str, arguments)], capture_output=True, text=True, timeout=900, check=False
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_improves_its_model_beyond_a_control_on_shuffled_rewards(tmp_path: Path) -> None:
    done = _leyden("demo", "--json", "--out", tmp_path / "demo")

    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    before, after, shuffled = (outcome[f"reward_{name}"] for name in ("before", "after", "shuffled"))
    online = outcome["reward_online"]
    assert after["mean"] - before["mean"] >= 0.2
    assert after["low"] > shuffled["high"]
    assert online["low"] > max(before["high"], shuffled["high"])
    assert before["low"] <= before["mean"] <= before["high"]

    assert outcome["turns"] + sum(outcome["dropped"].values()) >= outcome["turns"] > outcome["rollouts"]
    assert outcome["spans"] > outcome["turns"] + outcome["rollouts"]  # a root each, and tools
    assert AutoModelForCausalLM.from_pretrained(outcome["checkpoint"]) is not None

    runs = [json.loads(line) for line in _leyden("runs", "--store", outcome["store"], "--json").stdout.splitlines()]
    assert [run["status"] for run in runs] == ["succeeded", "succeeded", "succeeded"]
    assert [run["trainer"] for run in runs] == ["trl-grpo", "torch-replay", "torch-replay"]
    assert {run["query"] for run in runs[1:]} == {"demo-train"}
    assert outcome["checkpoint"] in {run["checkpoint"] for run in runs}


def test_the_demo_leaves_a_folder_that_holds_something_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")

    done = _leyden("demo", "--out", tmp_path)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]

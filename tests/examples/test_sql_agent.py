"""The SQL agent's shop, tasks and reward; and, in the long form, that training makes it better at what is new."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from examples.sql_agent import agent, shop
from examples.sql_agent.reward import same_rows
from leyden_exporters.scoring import Case, find_reward
from leyden_trainers.online.tasks import read_tasks
from tests.support.cli import Cli
from tests.support.collector import Collector

ROOT = Path(__file__).parents[2]
RECIPE = (
    "agent=examples/sql_agent/agent.py:answer",
    "reward=examples.sql_agent.reward:same_rows",
    "num_generations=8",
    "per_device_train_batch_size=64",
    "num_iterations=2",
    "learning_rate=1e-3",
    "lr_scheduler_type=constant_with_warmup",
    "warmup_steps=4",
    "concurrency=16",
)
"""The README's, but for the steps."""


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    made = str(shop.make(tmp_path / "shop.db"))
    monkeypatch.setenv("SHOP", made)
    return made


def test_every_question_has_one_number_for_an_answer(database: str, tmp_path: Path) -> None:
    asked = shop.questions()
    assert Counter(one.id for one in asked).most_common(1)[0][1] == 1
    for one in asked:
        ((number,),) = agent.query(one.sql, database)
        assert number > 0, one
    assert [task.extra["reference"] for task in read_tasks(shop.write_tasks(tmp_path / "t.jsonl", asked))] == [
        one.sql for one in asked
    ]


@pytest.mark.parametrize(
    ("sql", "score"),
    [
        (shop.sql_of("sum(total)", "invoices", "dylan"), 1.0),
        ("SELECT sum(total) FROM invoices WHERE customer_id = 4", 1.0),
        (shop.sql_of("max(total)", "invoices", "dylan"), 0.1),
        (shop.sql_of("sum(seconds)", "invoices", "dylan"), 0.0),
        ("DROP TABLE invoices", 0.0),
        ("", 0.0),
    ],
)
def test_the_reward_compares_rows(database: str, sql: str, score: float) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "query", "arguments": json.dumps({"sql": sql})}}
    response: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [call] if sql else None}
    rollout: Any = SimpleNamespace(turns=[SimpleNamespace(response=None), SimpleNamespace(response=response)])
    case = Case(rollout, shop.sql_of("sum(total)", "invoices", "dylan"))
    assert same_rows(case) == score
    assert find_reward("examples.sql_agent.reward:same_rows", {})(case).value == score  # type: ignore[union-attr]


def test_the_readme_tells_the_recipe_that_is_tried() -> None:
    told = (ROOT / "examples" / "sql_agent" / "README.md").read_text()
    assert [setting for setting in RECIPE if f"--set {setting}" not in told] == []


@pytest.mark.online
@pytest.mark.timeout(1800)
def test_training_makes_it_better_at_questions_it_has_never_seen(collector: Collector, tmp_path: Path) -> None:
    """The README's commands, with 40 steps for 100."""
    subprocess.run([sys.executable, "-m", "examples.sql_agent", str(tmp_path)], cwd=ROOT, check=True, timeout=900)
    cli = Cli(ROOT, collector.dsn)
    cli.env["SHOP"] = str(tmp_path / "shop.db")
    sets = [
        word for setting in (*RECIPE, f"tasks={tmp_path}/train.jsonl", "max_steps=40") for word in ("--set", setting)
    ]
    train = ["train", "--trainer", "trl-grpo", "--model", f"{tmp_path}/policy", "--out", f"{tmp_path}/trained", *sets]
    done = subprocess.run([sys.executable, "-m", "leyden", *train], cwd=ROOT, env=cli.env, timeout=1500)
    assert done.returncode == 0
    means = {}
    for name in ("policy", "trained"):
        judged = ["--tasks", f"{tmp_path}/heldout.jsonl", "--agent", RECIPE[0].removeprefix("agent="), "--json"]
        (told,) = cli.lines(
            "eval", *judged, "--reward", RECIPE[1].removeprefix("reward="), "--checkpoint", tmp_path / name
        )
        means[name] = told["summary"]["rewards"]["same_rows"]["mean"]
    assert means["trained"] > means["policy"] + 0.2, means

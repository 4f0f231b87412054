"""`prompt-opt` on the real way: an agent, a collector, a store; a fake model that criticises and edits by rule."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from leyden_exporters.options import Options
from leyden_store.errors import LeydenError
from leyden_store.lightning import LightningStore
from leyden_trainers.plugin import OnlineTrainer, Surroundings, find_trainer
from leyden_trainers.settings import config_from_sets
from tests.support import prompted_agent
from tests.support.cli import Cli
from tests.support.collector import Collector
from tests.support.fake_critic import FakeCritic

AGENT = f"{prompted_agent.__file__}:act"
SKILLS = ("count", "check", "explain", "cite")


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    folder = tmp_path_factory.mktemp("prompt-opt")
    tasks = [{"id": f"t{n:02}", "input": {"needs": [SKILLS[n % 4], SKILLS[(n + 1) % 4]]}} for n in range(14)]
    (folder / "tasks.jsonl").write_text("\n".join(map(json.dumps, tasks)))
    dsn = f"chdb://{folder}/store"
    with Collector(dsn, folder):
        made = Cli(folder, dsn)
        made("prompt", "save", "solver", "--text", "Solve {{problem}}.")
        yield made


def sets(critic: FakeCritic, **more: object) -> list[str]:
    common = {
        "prompt": "solver", "agent": AGENT, "tasks": "tasks.jsonl", "llm": critic.llm, "concurrency": 1,
        "rounds": 2, "beam": 1, "critiques": 1, "edits": 2, "minibatch": 4, "holdout": 0.5, "label": "tested",
    }  # fmt: skip
    return [word for key, value in {**common, **more}.items() for word in ("--set", f"{key}={value}")]


def test_the_prompt_it_finds_earns_more_on_tasks_it_has_not_seen(cli: Cli) -> None:
    with FakeCritic(503, "It should be told to count and check.", "of no use") as critic:
        (run,) = cli.lines(
            "train", "--trainer", "prompt-opt", "--model", "none", "--out", "out", *sets(critic), "--json"
        )
        requests = len(critic.asked)
    assert (run["status"], run["trainer"]) == ("succeeded", "prompt-opt")
    report = json.loads((cli.folder / "out" / "report.json").read_text())
    (saved,) = cli.lines("prompt", "show", f"solver@{report['saved_version']}", "--json")
    assert saved["text"] == (cli.folder / "out" / "prompt.txt").read_text()
    assert (saved["version"], saved["parent_version"], saved["labels"]) == (2, 1, ["tested"])
    origin = saved["origin"]
    assert (origin["trainer"], origin["run_id"], origin["tasks"]) == ("prompt-opt", run["run_id"], 7)
    assert origin["score"] > origin["score_of_parent"] == 0
    assert origin["lineage"][-1] == {"critique": origin["critique"], "mean": origin["score"]}

    verdict = report["verdict"]
    assert verdict["winner"] == "b", verdict["why"]
    assert run["metrics"]["held_out/best"] > run["metrics"]["held_out/start"] == 0
    seen = {one["prompt_version"] for one in cli.lines("evals", "--json")}
    assert seen == {"1", "2"}
    assert report["llm"]["calls"] == requests
    assert report["llm"]["errors"] == 2, "a busy server and a useless answer, each asked again"
    (shown,) = cli.lines("runs", run["run_id"], "--json")
    assert {point["name"] for point in shown["curve"]} >= {"reward", "candidates", "llm/calls", "llm/errors"}
    assert cli.lines("prompt", "show", "solver", "--json")[0]["version"] == 1, "production is a person's to change"
    tried = cli.lines("turns", "--where", f"startsWith(RolloutId, '{run['run_id']}/1/')")
    assert tried, "every rollout of the search is in the store"


def test_a_model_that_gives_no_edit_is_a_run_that_failed_and_leaves_nothing(cli: Cli) -> None:
    with FakeCritic(*["of no use"] * 100) as critic:
        command = ("train", "--trainer", "prompt-opt", "--model", "none", "--out", "none")
        said = cli(*command, *sets(critic, rounds=1, llm_tries=2), code=1).stderr.splitlines()[-1]
    assert "the model gave no edit of use: critic at" in said
    assert not (cli.folder / "none").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_rollouts": 5}, "max_rollouts=5 is less than the 8"),
        ({"prompt": "solve"}, "no prompt is called 'solve'; did you mean solver"),
        ({"lora_rank": 8}, "prompt-opt trains no weights: leave out lora_rank"),
        ({"llm": "gpt"}, "llm='gpt' names no model: write http://HOST:PORT/v1/NAME"),
        ({"beem": 3}, "prompt-opt has no setting 'beem': did you mean beam"),
    ],
)
def test_what_it_cannot_do_is_said_before_anything_is_run(
    tmp_path: Path, empty_store: Path, given: dict[str, object], words: str
) -> None:
    shutil.copytree(empty_store, tmp_path / "store", symlinks=True)
    (tmp_path / "tasks.jsonl").write_text("\n".join(f'{{"id": "{n}", "input": "x"}}' for n in range(6)))
    common = {"prompt": "solver", "agent": AGENT, "tasks": tmp_path / "tasks.jsonl", "llm": "http://127.0.0.1:9/v1/m"}
    trainer = find_trainer("prompt-opt")
    assert isinstance(trainer, OnlineTrainer)
    with LightningStore.open(f"chdb://{tmp_path}/store") as store:
        store.prompts.save("solver", "Solve {{problem}}.")
        around = Surroundings(store, "http://127.0.0.1:9", "", None, Options(), "run", lambda _: None)

        def train() -> None:
            config = config_from_sets(trainer, [f"{key}={value}" for key, value in {**common, **given}.items()])
            trainer.train_online(around, model="none", out=tmp_path / "out", config=config)

        with pytest.raises(LeydenError, match=re.escape(words)):
            train()

"""Both trainers, run for a few steps: the checkpoint, the reports, and what they leave behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from leyden_trainers.errors import RequirementMissing, SettingInvalid
from leyden_trainers.models import load_model
from leyden_trainers.plugin import Trainer
from leyden_trainers.replay import Replay
from leyden_trainers.settings import config_from_sets
from leyden_trainers.sft import Sft, labelled

TRAINERS = [pytest.param(Replay(), id="torch-replay"), pytest.param(Sft(), id="trl-sft")]
SETS = ["max_steps=3", "learning_rate=1e-3", "per_device_train_batch_size=8", "seed=5"]


def train(trainer: Trainer, table: pa.Table, model: Path, out: Path, *sets: str, **more: Any) -> Any:
    return trainer.train(table, model=str(model), out=out, config=config_from_sets(trainer, [*SETS, *sets]), **more)


def weights(folder: Path) -> torch.Tensor:
    return torch.cat([part.detach().flatten() for part in load_model(str(folder)).parameters()])


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_checkpoint_loads_with_its_tokenizer(
    trainer: Trainer, table: pa.Table, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    reported: list[tuple[int, Mapping[str, float]]] = []
    out = tmp_path / "deep" / "checkpoint"
    capfd.readouterr()
    result = train(trainer, table, tiny, out, on_metrics=lambda *seen: reported.append(seen))
    said = capfd.readouterr()
    assert result.checkpoint == out
    assert result.steps == 3
    assert result.metrics["train_loss"]
    assert [step for step, metrics in reported if "loss" in metrics] == [1, 2, 3]
    AutoModelForCausalLM.from_pretrained(out)
    assert AutoTokenizer.from_pretrained(out).chat_template == AutoTokenizer.from_pretrained(tiny).chat_template
    assert not torch.equal(weights(out), weights(tiny))
    assert list((tmp_path / "cwd").iterdir()) == []
    assert [path.name for path in out.parent.iterdir()] == ["checkpoint"]
    assert (said.out, "it/s" in said.err) == ("", False)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_the_same_seed_gives_the_same_weights(trainer: Trainer, table: pa.Table, tiny: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        train(trainer, table, tiny, tmp_path / name, f"seed={seed}")
    assert torch.equal(weights(tmp_path / "one"), weights(tmp_path / "two"))
    assert not torch.equal(weights(tmp_path / "one"), weights(tmp_path / "three"))


def test_replay_reports_how_far_the_policy_moves(table: pa.Table, tiny: Path, tmp_path: Path) -> None:
    result = train(Replay(), table, tiny, tmp_path / "out", "learning_rate=1e-2")
    assert {"ratio", "clip_fraction", "ess", "kl"} <= set(result.metrics)
    assert result.metrics["kl"] > 0


def test_settings_that_transformers_refuses_are_said_in_one_line(table: pa.Table, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid) as refused:
        train(Replay(), table, tiny, tmp_path / "out", "lr_scheduler_type=zigzag")
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_a_run_that_fails(table: pa.Table, tiny: Path, tmp_path: Path) -> None:
    def fail(step: int, metrics: Mapping[str, float]) -> None:
        raise RuntimeError("the store is gone")

    with pytest.raises(RuntimeError, match="the store is gone"):
        train(Replay(), table, tiny, tmp_path / "out", on_metrics=fail)
    assert list(tmp_path.iterdir()) == []


def test_accumulated_steps_are_as_one_of_the_whole_batch(table: pa.Table, tiny: Path, tmp_path: Path) -> None:
    sets = ["max_steps=1", "lr_scheduler_type=constant", "optim=sgd", "learning_rate=0.5"]
    train(Replay(), table, tiny, tmp_path / "whole", *sets, "per_device_train_batch_size=32")
    train(
        Replay(),
        table,
        tiny,
        tmp_path / "parts",
        *sets,
        "per_device_train_batch_size=8",
        "gradient_accumulation_steps=4",
    )
    torch.testing.assert_close(weights(tmp_path / "whole"), weights(tmp_path / "parts"), atol=1e-6, rtol=1e-5)


def test_sft_is_cross_entropy_of_the_masked_tokens(table: pa.Table, tiny: Path, tmp_path: Path) -> None:
    """One SGD step of the stock SFTTrainer against one made by hand: no token more, none less."""
    rate = 0.5
    train(
        Sft(), table, tiny, tmp_path / "out", "max_steps=1", "optim=sgd", f"learning_rate={rate}", "max_grad_norm=0",
        "lr_scheduler_type=constant", "per_device_train_batch_size=32",
    )  # fmt: skip
    model: Any = load_model(str(tiny))
    losses = []
    for row in labelled(table):
        logits = model(input_ids=torch.tensor([row["input_ids"]])).logits[0, :-1]
        losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor(row["labels"][1:]), reduction="none"))
    trained = sum(len(loss.nonzero()) for loss in losses)
    assert trained == sum(sum(mask) for mask in table["loss_mask"].to_pylist())
    (torch.cat(losses).sum() / trained).backward()
    with torch.no_grad():
        expected = torch.cat([(part - rate * part.grad).flatten() for part in model.parameters()])
    torch.testing.assert_close(weights(tmp_path / "out"), expected, atol=1e-6, rtol=1e-5)


def test_sft_can_imitate_the_rewarded_alone(table: pa.Table, tiny: Path, tmp_path: Path) -> None:
    rewarded = table.filter(pa.compute.equal(table["reward"], 1.0))
    assert 0 < rewarded.num_rows < table.num_rows
    train(Sft(), table, tiny, tmp_path / "chosen", "min_reward=1")
    train(Sft(), rewarded, tiny, tmp_path / "given")
    assert torch.equal(weights(tmp_path / "chosen"), weights(tmp_path / "given"))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_in_another_process(table: pa.Table, tiny: Path, tmp_path: Path) -> None:
    pq.write_table(table, tmp_path / "rows.parquet")
    script = (
        "import sys, torch, pyarrow.parquet as pq; from pathlib import Path; torch.set_num_threads(1)\n"
        "from leyden_trainers.replay import Replay; from leyden_trainers.settings import config_from_sets\n"
        "table, model, out, *sets = sys.argv[1:]\n"
        "Replay().train(pq.read_table(table), model=model, out=Path(out), config=config_from_sets(Replay(), sets))\n"
    )
    paths = [str(tmp_path / "rows.parquet"), str(tiny), str(tmp_path / "there")]
    subprocess.run([sys.executable, "-c", script, *paths, *SETS], check=True, capture_output=True)
    train(Replay(), table, tiny, tmp_path / "here")
    assert torch.equal(weights(tmp_path / "here"), weights(tmp_path / "there"))


def test_replay_takes_retokenised_rows_only_when_told_and_with_a_loss_that_needs_no_logprobs(
    table: pa.Table, tiny: Path, tmp_path: Path
) -> None:
    names = table.schema.names
    made = table.set_column(names.index("ids_source"), "ids_source", pa.array(["retokenised"] * table.num_rows))
    made = made.set_column(names.index("old_logps"), "old_logps", pa.nulls(table.num_rows, table["old_logps"].type))
    with pytest.raises(RequirementMissing, match="needs logprobs"):
        train(Replay(), made, tiny, tmp_path / "out", "loss=reinforce")
    with pytest.raises(SettingInvalid, match="loss=reinforce or loss=awr"):
        train(Replay(), made, tiny, tmp_path / "out", "retokenised=true")
    sets = ["loss=reinforce", "max_steps=2"]
    train(Replay(), made, tiny, tmp_path / "made", *sets, "retokenised=true")
    train(Replay(), table, tiny, tmp_path / "given", *sets)
    assert torch.equal(weights(tmp_path / "made"), weights(tmp_path / "given"))

"""What the data lacks for a trainer, said in one line before any model is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from leyden_exporters.build import trajectory_table
from leyden_exporters.options import Options
from leyden_trainers.errors import ModelInvalid, OutputTaken, RequirementMissing
from leyden_trainers.job import train
from leyden_trainers.plugin import Requirement, Trainer
from leyden_trainers.replay import Replay
from leyden_trainers.replay_config import ReplayConfig
from leyden_trainers.requirements import usable
from leyden_trainers.sft import Sft, SftConfig
from tests.support.tiny_policy import Played


def made(rollouts: Any, options: Options | None = None) -> pa.Table:
    return trajectory_table(rollouts, options)[0]


def unscored(played: list[Played]) -> pa.Table:
    """Rows of which the first four have no logprobs."""
    rollouts = [one.rollout for one in played]
    bare = [replace(r, turns=tuple(replace(turn, response_logprobs=None) for turn in r.turns)) for r in rollouts[:4]]
    return made([*bare, *rollouts[4:]])


def unrewarded(played: list[Played]) -> pa.Table:
    return made([replace(one.rollout, rewards=()) for one in played])


def retokenised(played: list[Played]) -> pa.Table:
    table = made([one.rollout for one in played])
    place = table.schema.get_field_index("ids_source")
    return table.set_column(place, table.schema.field(place), pa.array(["retokenised"] * table.num_rows))


def unvalued(played: list[Played]) -> pa.Table:
    """Rewarded rows without advantages, as turns valued by themselves can leave them."""
    table = made([one.rollout for one in played])
    place = table.schema.get_field_index("advantages")
    return table.set_column(place, table.schema.field(place), pa.nulls(table.num_rows, table.schema.field(place).type))


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        (unscored, "torch-replay needs logprobs, and 4 of 32 rows lack it: sample from a server that returns"),
        (retokenised, "torch-replay needs logprobs, and 32 of 32 rows lack it"),
        (unrewarded, "torch-replay needs reward, and 32 of 32 rows lack it: give every rollout a reward"),
        (unvalued, "torch-replay needs reward, and 32 of 32 rows lack it"),
        (lambda played: made([]), "torch-replay has nothing to train on: none of the selected turns has token ids"),
        (lambda played: made([one.rewarded(1.0) for one in played]), "every advantage is 0"),
    ],
)
def test_it_is_said_before_anything_is_loaded(
    lacking: Any, said: str, played: list[Played], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text("loading this would fail")
    with pytest.raises(RequirementMissing) as refused:
        Replay().train(lacking(played), model=str(tmp_path), out=tmp_path / "out", config=ReplayConfig())
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_rows_that_lack_it_can_be_left_out(played: list[Played]) -> None:
    assert usable(unscored(played), Replay(), ReplayConfig(drop_incomplete=True)).num_rows == len(played) - 4


def test_leaving_them_out_is_no_way_when_all_lack_it(played: list[Played]) -> None:
    with pytest.raises(RequirementMissing, match="32 of 32 rows lack it"):
        usable(unrewarded(played), Replay(), ReplayConfig(drop_incomplete=True))


def test_imitation_needs_neither_logprobs_nor_rewards(played: list[Played]) -> None:
    assert usable(unrewarded(played), Sft(), SftConfig()).num_rows == len(played)


def test_a_trainer_that_compares_within_groups_needs_them(played: list[Played]) -> None:
    class Grouped(Replay):
        requires = frozenset({Requirement.GROUP})

    grouped: Trainer = Grouped()
    with pytest.raises(RequirementMissing, match="needs group, and 1 of 2 rows lack it: name the task"):
        usable(made([played[0].rollout, replace(played[1].rollout, group_id="")]), grouped, ReplayConfig())


@pytest.mark.parametrize("trainer", [Replay(), Sft()])
def test_a_folder_that_is_no_model_is_one_clear_line(trainer: Trainer, table: pa.Table, tmp_path: Path) -> None:
    for model, said in (
        (tmp_path, "holds no model: it has no config.json"),
        (tmp_path / "absent", "is no model folder"),
    ):
        with pytest.raises(ModelInvalid, match=said):
            trainer.train(table, model=str(model), out=tmp_path / "out", config=trainer.Config())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelInvalid) as refused:
        trainer.train(table, model=str(tmp_path), out=tmp_path / "out", config=trainer.Config())
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("trainer", [Replay(), Sft()])
def test_a_checkpoint_is_never_written_over(trainer: Trainer, table: pa.Table, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(OutputTaken, match="exists already"):
        trainer.train(table, model=str(tiny), out=tmp_path, config=trainer.Config())


def test_rows_of_another_model_are_refused(table: pa.Table, tiny: Path, tmp_path: Path) -> None:
    place = table.schema.get_field_index("input_ids")
    foreign = pa.array([[i + 500 for i in row] for row in table["input_ids"].to_pylist()], pa.list_(pa.int32()))
    other = table.set_column(place, table.schema.field(place), foreign)
    with pytest.raises(RequirementMissing, match="another model sampled them"):
        Sft().train(other, model=str(tiny), out=tmp_path / "out", config=SftConfig())
    assert list(tmp_path.iterdir()) == []


def test_imitating_only_what_was_rewarded_needs_some_of_it(table: pa.Table, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(RequirementMissing, match="none of 32 rows has a reward of at least 2"):
        Sft().train(table, model=str(tiny), out=tmp_path / "out", config=SftConfig(min_reward=2))


def test_several_processes_that_would_write_one_checkpoint_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    nothing: Any = None
    with pytest.raises(RequirementMissing, match="was started in 2, which would write one checkpoint"):
        train(nothing, None, trainer="trl-sft", model="m", out=tmp_path / "out")

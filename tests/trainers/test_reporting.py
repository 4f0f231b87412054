"""What tells how training went: the picture beside the weights, TensorBoard's files, Weights & Biases' own."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pyarrow as pa
import pytest

from leyden_trainers.curves import draw
from leyden_trainers.publishing import folder_hash
from leyden_trainers.replay import Replay
from leyden_trainers.settings import config_from_sets

SETS = ["max_steps=3", "per_device_train_batch_size=8"]


def train(table: pa.Table, tiny: Path, out: Path, *sets: str) -> None:
    Replay().train(table, model=str(tiny), out=out, config=config_from_sets(Replay(), [*SETS, *sets]))


def test_curves_stand_beside_the_weights_and_are_no_part_of_their_hash(
    table: pa.Table, tiny: Path, tmp_path: Path
) -> None:
    train(table, tiny, tmp_path / "out", "report_to=none")
    picture = (tmp_path / "out" / "curves.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert min(struct.unpack(">II", picture[16:24])) > 200
    before = folder_hash(tmp_path / "out")
    (tmp_path / "out" / "curves.png").unlink()
    (tmp_path / "out" / "README.md").write_text("made in another folder")
    assert folder_hash(tmp_path / "out") == before
    (tmp_path / "out" / "config.json").unlink()
    assert folder_hash(tmp_path / "out") != before


def test_curves_of_nothing_are_not_drawn(tmp_path: Path) -> None:
    assert not draw([(1, "train_loss", 2.0), (1, "epoch", 1.0)], tmp_path / "none.png")
    assert draw([(1, "loss", 2.0), (2, "loss", float("nan"))], tmp_path / "one.svg", "a run")
    assert [path.name for path in tmp_path.iterdir()] == ["one.svg"]


@pytest.mark.filterwarnings("ignore")  # TensorBoard's own, of protobuf and numpy
def test_tensorboard_reads_every_step(table: pa.Table, tiny: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(table, tiny, tmp_path / "out", "report_to=tensorboard")
    (events,) = (tmp_path / "out" / "runs").rglob("events.*")
    read = EventAccumulator(str(events.parent)).Reload()
    assert [event.step for event in read.Scalars("train/loss")] == [1, 2, 3]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # W&B's own
def test_weights_and_biases_keeps_a_run_offline(
    table: pa.Table, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WANDB_MODE", "offline"), ("WANDB_DIR", str(tmp_path)), ("WANDB_SILENT", "true")):
        monkeypatch.setenv(name, value)
    train(table, tiny, tmp_path / "out", "report_to=wandb")
    import wandb

    wandb.finish()
    (kept,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    deadline = time.monotonic() + 30
    while kept.stat().st_size < 1000 and time.monotonic() < deadline:
        time.sleep(0.1)  # its own process writes the file, and may do so after `finish`
    assert kept.stat().st_size > 1000

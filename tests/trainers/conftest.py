"""What the trainers' tests share: one tiny policy, served once, and some of its rollouts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from leyden.demo.tasks import tasks
from leyden_exporters.build import trajectory_table
from tests.support.tiny_policy import Played, Served, play, serving, tiny_policy


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny() -> Path:
    return tiny_policy()


@pytest.fixture(scope="session")
def served(tiny: Path) -> Iterator[Served]:
    with serving(tiny, policy_version="7", seed=1) as server:
        yield server


@pytest.fixture(scope="session")
def played(served: Served) -> list[Played]:
    """Eight tasks, four rollouts each."""
    return play(served, tasks("train", 8) * 4)


@pytest.fixture(scope="session")
def table(played: list[Played]) -> pa.Table:
    made, _ = trajectory_table([one.rollout for one in played])
    return made

"""The demo's tasks: questions to the shop whose answer is one number, and the reward for a reply.

A task is a phrase about an item. Every phrase and every item occurs in training; a third of their combinations
is held out, so that a better score there is a better policy and not a better memory.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from leyden.demo.agent import CATALOGUE, ITEMS

if TYPE_CHECKING:
    from leyden_exporters.scoring import Case

Split = Literal["train", "heldout"]

PHRASES: Mapping[str, tuple[str, ...]] = {
    "price": ("how much does the {} cost", "is the {} expensive"),
    "stock": ("how many of the {} are left", "can i still get the {}"),
    "weight": ("how heavy is the {}", "what does the {} weigh"),
    "shelf": ("where do i find the {}", "which shelf holds the {}"),
}
"""fact → ways of asking for it."""


@dataclass(frozen=True, slots=True)
class Task:
    """A question and the number that answers it. `id` is the same for the same question, so it serves as the group."""

    id: str
    input: str
    expected: int


def tasks(split: Split, n: int, seed: int = 0) -> list[Task]:
    """`n` tasks of a split in an order drawn by the seed; the split's tasks come round again when `n` exceeds them."""
    pool = [task for task, held_out in _all() if held_out == (split == "heldout")]
    random.Random(seed).shuffle(pool)  # noqa: S311 - a sample, no secret
    return [pool[i % len(pool)] for i in range(n)]


def reward(task: Task, output: str) -> float:
    """1.0 when the reply names the right number and no other, else 0.0."""
    return float(re.findall(r"\d+", output) == [str(task.expected)])


def solved(case: Case) -> float:
    """The same reward as a function that `leyden score` and trainers take; the reference is the right number."""
    return float(re.findall(r"\d+", case.answer) == [str(case.reference)])


def write_tasks(path: Path, some: Sequence[Task]) -> Path:
    """Tasks as a file that `trl-grpo` and `leyden eval` read."""
    lines = [{"id": task.id, "input": task.input, "reference": task.expected} for task in some]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def _all() -> list[tuple[Task, bool]]:
    """Every task, and whether it is held out: each item is, with every third phrase; which third goes by the item."""
    phrases = [(fact, phrase) for fact, ways in PHRASES.items() for phrase in ways]
    return [
        (Task(f"{fact}-{j % 2}-{item}", phrase.format(item), CATALOGUE[item][fact]), (i + j) % 3 == 0)
        for i, item in enumerate(ITEMS)
        for j, (fact, phrase) in enumerate(phrases)
    ]

"""Steps of GRPO without Leyden: what the agent gives back holds the tokens it was told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from leyden_trainers.online.runner import Assignment, Policy
from leyden_trainers.online.step import Copy, Fate, Row, Step
from leyden_trainers.online.tasks import Task


def handed_over(turns: Sequence[Any]) -> list[Row]:
    """Turns as rows, joined where a prompt goes on from the row before."""
    chains: list[tuple[list[int], list[int], list[float]]] = []
    for prompt, reply, logps in turns:
        if chains and prompt[: len(chains[-1][0])] == chains[-1][0]:
            ids, mask, old = chains[-1]
            between = prompt[len(ids) :]
            ids += [*between, *reply]
            mask += [0] * len(between) + [1] * len(reply)
            old += [0.0] * len(between) + list(logps)
        else:
            chains.append(([*prompt, *reply], [0] * len(prompt) + [1] * len(reply), [0.0] * len(prompt) + list(logps)))
    starts = [mask.index(1) for _, mask, _ in chains]
    return [Row(ids[:at], ids[at:], mask[at:], old[at:]) for at, (ids, mask, old) in zip(starts, chains, strict=True)]


class Directly:
    """Steps without Leyden: the same runner and agent, unrecorded."""

    def __init__(self, runner: Any, wanted: dict[str, Task]) -> None:
        self._runner, self._tasks, self._made = runner, wanted, 0

    def make(self, task_ids: Sequence[str], policy: Policy) -> Step:
        self._made += 1
        work = [Assignment(f"d{self._made}/{i}", one, 0, self._tasks[one]) for i, one in enumerate(task_ids)]
        ran = {one.rollout_id: one for one in self._runner.run(work, policy)}
        copies = []
        for one in work:
            output = ran[one.rollout_id].output
            assert output is not None, ran[one.rollout_id].error
            right = re.findall(r"\d+", output["answer"]) == [str(one.task.extra["reference"])]
            copies.append(Copy(one.rollout_id, Fate.TRAINED, float(right), handed_over(output["turns"])))
        return Step(copies)

"""`verl-rl`: Parquet for verl's `RLHFDataset`: the prompt of each task once, with what its reward function is given."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden_exporters.conversations import meaning, reply
from leyden_exporters.curation.candidates import text_of
from leyden_exporters.formats._format import Format
from leyden_exporters.formats._messages import UnfitError, refuse_token_options
from leyden_exporters.formats._verl import MESSAGES, as_text
from leyden_exporters.options import Options
from leyden_exporters.report import Reason, Report, SpanRow
from leyden_exporters.rewards import rollout_reward
from leyden_exporters.rows import new_rows
from leyden_exporters.transitions import drop, select, unsaid
from leyden_store.turns import Rollout, Turn

_SCHEMA = pa.schema(
    [
        pa.field("data_source", pa.string(), nullable=False),
        pa.field("prompt", MESSAGES, nullable=False),
        pa.field("ability", pa.string(), nullable=False),
        pa.field("reward_model", pa.struct({"style": pa.string(), "ground_truth": pa.string()}), nullable=False),
        pa.field(
            "extra_info",
            pa.struct({"split": pa.string(), "index": pa.int64(), "group_id": pa.string(), "rollout_id": pa.string()}),
            nullable=False,
        ),
    ]
)


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write `.parquet`, one row a task: its first prompt, for verl to sample from anew.

    A task is a group together with its first messages; a rollout without a group is judged by its messages alone.
    `ground_truth` is the last reply of the task's best rewarded rollout, the first of equals, and "" where none has a
    reward above the lowest seen or there is only one reward: give verl a reward function that wants none then.
    Holds a prompt and a reply a task. Turns that are not a task's first are `no_pair`: verl samples them anew.
    """
    refuse_token_options(options)
    report, tasks = Report(), dict[tuple[str, str], _Task]()
    for rollout in rollouts:
        _add(rollout, options, report, tasks)
    with new_rows(path, _SCHEMA, (".parquet", "")) as file:
        for index, task in enumerate(tasks.values()):
            file.add(task.row(index, path.name.partition(".")[0].partition("-")[0]))
            report.add([SpanRow(task.first.rollout_id, task.first.trace_id, task.first.span_id)])
            report.written += 1
    return report


class _Task:
    """A prompt, and the best answer to it so far."""

    def __init__(self, first: Turn) -> None:
        self.first = first
        self.prompt = as_text(first.messages)
        self._best: tuple[float, str] | None = None
        self._lowest: float | None = None

    def answered(self, text: str, reward: float) -> None:
        self._lowest = reward if self._lowest is None else min(self._lowest, reward)
        if self._best is None or reward > self._best[0]:
            self._best = (reward, text)

    def row(self, index: int, split: str) -> dict[str, Any]:
        told = self._best is not None and self._lowest is not None and self._best[0] > self._lowest
        return {
            "data_source": f"leyden/{self.first.agent or 'agent'}",
            "prompt": self.prompt,
            "ability": self.first.agent or "agent",
            "reward_model": {"style": "rule", "ground_truth": self._best[1] if told and self._best else ""},
            "extra_info": {
                "split": split or "train",
                "index": index,
                "group_id": self.first.group_id,
                "rollout_id": self.first.rollout_id,
            },
        }


def _add(rollout: Rollout, options: Options, report: Report, tasks: dict[tuple[str, str], _Task]) -> None:
    reward, source = rollout_reward(rollout, options)
    report.begin(rollout, source)
    selected, rows = select(rollout, options)
    report.add(rows)
    report.choices(rollout.turns)
    turns = []
    for turn in selected:
        reason = unsaid(turn)
        if reason is None:
            turns.append(turn)
        else:
            report.add([drop(turn, reason)])
    if not turns:
        return
    turns.sort(key=lambda turn: (turn.start_ns, len(turn.messages), turn.span_id, turn.trace_id))
    key = (rollout.group_id, "\n".join(map(meaning, turns[0].messages)))
    try:
        task = tasks.get(key) or _Task(turns[0])
    except UnfitError as unfit:
        report.add(drop(turn, Reason.UNFIT, str(unfit)) for turn in turns)
        return
    new = key not in tasks
    tasks[key] = task
    report.add(drop(turn, Reason.NO_PAIR, "sampled anew") for turn in turns[1 if new else 0 :])
    if reward is not None:
        task.answered(text_of(reply(turns[-1])), reward)


FORMAT = Format("verl-rl", "prompts for verl's RL trainers", write, (".parquet", ""))

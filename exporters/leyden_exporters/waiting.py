"""Trajectories waiting for their advantages: rows gathered until they are worth a record batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leyden_exporters.columns import schema_for
from leyden_exporters.options import Options
from leyden_exporters.straight import Straight, lay
from leyden_exporters.trajectories import Trajectory
from leyden_exporters.turn_rewards import TurnValues
from leyden_store.turns import Rollout


@dataclass(slots=True)
class WaitingRows:
    """Rows in the order of their rollouts. Straight ones, all of one sketch, are laid out together."""

    options: Options
    straight: list[Straight] = field(default_factory=list)
    trajectories: list[Trajectory] = field(default_factory=list)
    rollouts: list[tuple[str, str, float | None, int]] = field(default_factory=list)
    worths: list[list[float]] = field(default_factory=list)
    tokens: int = 0

    def add(
        self, trajectory: Trajectory, rollout: Rollout, reward: float | None, number: int, worth: TurnValues | None
    ) -> None:
        """Add a row of rollout number `number`."""
        self.trajectories.append(trajectory)
        if worth is not None:
            keys = [(one.trace_id, one.span_id) for one in trajectory.transitions]
            self.worths.append([worth.values.get(key, 0.0) for key in keys])
        self.rollouts.append((rollout.rollout_id, rollout.group_id, reward, number))
        self.tokens += len(trajectory.input_ids)

    def add_straight(self, straight: Straight) -> None:
        """Add a straight rollout's only row."""
        self.straight.append(straight)
        self.tokens += straight.tokens

    def __len__(self) -> int:
        return len(self.straight) + len(self.trajectories)

    def batch(self) -> pa.RecordBatch:
        """All rows, in the columns of `waiting_schema`, in order of their rollouts' numbers."""
        if not self.straight:
            return self._merged_batch()
        straight = self._straight_batch()
        if not self.trajectories:
            return straight
        both = pa.Table.from_batches([straight, self._merged_batch()])
        order = np.argsort(both["rollout"].to_numpy(), kind="stable")
        (batch,) = both.take(pa.array(order)).combine_chunks().to_batches()
        return batch

    def _merged_batch(self) -> pa.RecordBatch:
        made = self.trajectories
        rollout_ids, group_ids, rewards, numbers = zip(*self.rollouts, strict=True)
        offsets = pa.array(np.cumsum([0, *(len(one.input_ids) for one in made)]), pa.int32())
        absent = np.array([one.old_logps is None for one in made])
        logps = [np.zeros(len(one.input_ids), np.float32) if one.old_logps is None else one.old_logps for one in made]
        columns = {
            "rollout_id": rollout_ids,
            "group_id": group_ids,
            "branch": [one.branch for one in made],
            "span_ids": [one.span_ids for one in made],
            "input_ids": _lists(offsets, [one.input_ids for one in made]),
            "loss_mask": _lists(offsets, [one.loss_mask for one in made]),
            "old_logps": pa.ListArray.from_arrays(offsets, np.concatenate(logps), mask=pa.array(absent)),
            "turn_ids": _lists(offsets, [one.turn_ids for one in made]),
            "reward": rewards,
            "truncated": [one.truncated for one in made],
            "policy_version": [one.policy_version for one in made],
            "ids_source": [one.ids_source for one in made],
            "rollout": numbers,
        }
        if self.options.per_turn is not None:
            columns["turn_values"] = self.worths
        if self.options.per_agent:
            columns["agent"] = [one.agent for one in made]
        return self._typed(columns)

    def _straight_batch(self) -> pa.RecordBatch:
        made = self.straight
        columns: dict[str, Any] = {
            "rollout_id": [one.skimmed.rollout.rollout_id for one in made],
            "group_id": [one.skimmed.rollout.group_id for one in made],
            "branch": np.zeros(len(made), np.int32),
            "span_ids": [one.span_ids for one in made],
            **lay(made),
            "reward": [one.reward for one in made],
            "truncated": [one.truncated for one in made],
            "policy_version": [one.policy_version for one in made],
            "ids_source": ["server"] * len(made),
            "rollout": [one.number for one in made],
        }
        if self.options.per_agent:
            columns["agent"] = [one.agent for one in made]
        return self._typed(columns)

    def _typed(self, columns: dict[str, Any]) -> pa.RecordBatch:
        schema = waiting_schema(self.options)
        arrays = [
            column if isinstance(column := columns[wanted.name], pa.Array) else pa.array(column, wanted.type)
            for wanted in schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _lists(offsets: pa.Array, values: Sequence[npt.NDArray[np.generic]]) -> pa.ListArray:
    return pa.ListArray.from_arrays(offsets, np.concatenate(values))


def waiting_schema(options: Options) -> pa.Schema:
    """What `Builder.batches` yields: the columns asked for less `advantages`, and what these are made of.

    rollout:     the rollout's number in the stream
    turn_values: what each turn of `span_ids` is worth, with `per_turn`; 0 in rollouts that cannot be valued
    """
    columns = [column for column in schema_for(options) if column.name != "advantages"]
    columns.append(pa.field("rollout", pa.int64(), nullable=False))
    if options.per_turn is not None:
        columns.append(pa.field("turn_values", pa.list_(pa.float64()), nullable=False))
    return pa.schema(columns)

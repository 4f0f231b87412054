"""From rollouts to trajectory columns: what the `trajectories` export writes and what trainers consume."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leyden_exporters.advantages import Floats, advantages, turn_baselines
from leyden_exporters.columns import AGENT_SCHEMA, SCHEMA, schema_for
from leyden_exporters.forest import OriginKind
from leyden_exporters.options import Advantage, Options, PerTurn
from leyden_exporters.report import Report
from leyden_exporters.rewards import rollout_reward
from leyden_exporters.sources import Skimmable
from leyden_exporters.straight import Straight, Straightener
from leyden_exporters.trajectories import Trajectory, merge
from leyden_exporters.transitions import from_rollout
from leyden_exporters.turn_rewards import TurnValues, turn_values
from leyden_exporters.waiting import WaitingRows
from leyden_store.skim import Skimmed
from leyden_store.turns import Rollout

_BATCH_TOKENS = 1 << 19
"""Tokens a record batch holds before the next begins: some 10 MB, a few times that while it is written."""


def trajectory_table(rollouts: Iterable[Rollout], options: Options | None = None) -> tuple[pa.Table, Report]:
    """Build every trajectory of the rollouts; one row each, in the columns of `columns.SCHEMA` (read it there).

    Rollouts are consumed one at a time, in the order given. Rows keep that order, then `branch`. Advantages are
    computed at the end over all rollouts with a reward, grouped by `group_id`; a rollout without a group is a group
    of its own, so that tasks are never mixed, and its GRPO, Dr. GRPO and RLOO advantage is 0 (the report counts
    these as `ungrouped`; ask for `Advantage.REINFORCE` when there are no groups). A group whose rewards are all
    equal has advantage 0; the report counts it as `zero_variance`. A rollout whose turns were all dropped still
    counts in its group's baseline: its reward was earned.

    An empty selection gives a table without rows, not an error.
    """
    builder = Builder(options := options or Options())
    batches = list(builder.batches(rollouts))
    scores = builder.scores()
    return pa.Table.from_batches([scored(batch, scores) for batch in batches], schema_for(options)), builder.report


def token_weights(table: pa.Table) -> list[npt.NDArray[np.float32]]:
    """Weights [T] per row, 0 off the mask, that sum to 1 over each rollout: its rows and turns share one vote.

    Multiply the per-token loss with them and divide by the number of rollouts, and a rollout counts the same
    whether it took one turn or twenty, in one trajectory or in several.
    """
    masks = [row.values.to_numpy() for row in table["loss_mask"]]
    rollouts = table["rollout_id"].to_pylist()
    trained: dict[str, int] = {}
    for rollout, mask in zip(rollouts, masks, strict=True):
        trained[rollout] = trained.get(rollout, 0) + int(mask.sum())
    return [mask.astype(np.float32) / trained[rollout] for rollout, mask in zip(rollouts, masks, strict=True)]


Scores = Sequence[float | None] | Sequence[tuple[float, float] | None]
"""A number per rollout: its advantage, or its turns' baseline and scale."""


@dataclass(slots=True)
class Builder:
    """Builds trajectory batches from a stream of rollouts; holds one batch and a reward per rollout.

    The batches come without advantages, which need the whole stream: `scores()` then gives each rollout's, and
    `scored(batch, scores)` puts them in.
    """

    options: Options
    report: Report = field(default_factory=Report)
    _rewards: list[float | None] = field(default_factory=list)
    _groups: list[str] = field(default_factory=list)
    _turns: list[Floats | None] = field(default_factory=list)

    def batches(self, rollouts: Iterable[Rollout]) -> Iterator[pa.RecordBatch]:
        """Record batches of `waiting_schema`. Rollouts that can be skimmed are, where the options allow it."""
        skimmed = isinstance(rollouts, Skimmable) and not self.options.reads_words
        pieces = rollouts.skims() if isinstance(rollouts, Skimmable) and skimmed else ([one] for one in rollouts)
        rows = WaitingRows(self.options)
        for piece in pieces:
            sketch = next((one.sketch for one in piece if isinstance(one, Skimmed)), None)
            straightener = None if sketch is None else Straightener(sketch, self.options)
            for one in piece:
                self._take(one, straightener, rows)
                if rows.tokens >= _BATCH_TOKENS:
                    yield rows.batch()
                    rows = WaitingRows(self.options)
            if rows.straight:
                yield rows.batch()
                rows = WaitingRows(self.options)
            # The next piece is read once nothing of this one is held.
            piece = one = sketch = straightener = None  # type: ignore[assignment]
        if len(rows):
            yield rows.batch()

    def _take(self, one: Skimmed | Rollout, straightener: Straightener | None, rows: WaitingRows) -> None:
        number = len(self._rewards)
        rewarded = one.rewards_only() if isinstance(one, Skimmed) else one
        reward, source = rollout_reward(rewarded, self.options)
        self._rewards.append(reward)
        self._groups.append(rewarded.group_id)
        self.report.begin(rewarded, source)
        if isinstance(one, Skimmed):
            straight = straightener and straightener.straighten(one, number, reward)
            if straight:
                rows.add_straight(straight)
                self._tell(straight)
                return
            one = one.without_words()
        worth = self._worth(one)
        for trajectory in self._trajectories(one, worth):
            rows.add(trajectory, one, reward, number, worth)

    def _tell(self, straight: Straight) -> None:
        report = self.report
        report.spans.add_kept(straight.skimmed.rollout.rollout_id, straight.trace_ids, straight.span_ids)
        report.written += 1
        report.tokens += straight.tokens
        report.trained_tokens += straight.trained_tokens
        report.origins[OriginKind.FIRST] += 1
        if straight.lacks_logprobs:
            report.notes["without_logprobs"] += 1
        if "," in (straight.policy_version or ""):
            report.notes["mixed_policies"] += 1

    def scores(self) -> Scores:
        """Each rollout's advantage, or its turns' baseline and scale; to be asked when the batches are exhausted."""
        options = self.options
        scores: Scores
        if options.per_turn is None:
            scores, notes = advantages(self._rewards, self._groups, options.advantage)
        else:
            kind = Advantage.REWARD if options.per_turn is PerTurn.GAE else options.advantage
            scores, notes = turn_baselines(self._turns, self._groups, kind)
        self.report.notes.update(notes)
        return scores

    def _worth(self, rollout: Rollout) -> TurnValues | None:
        if self.options.per_turn is None:
            return None
        worth = turn_values(rollout, self.options)
        self._turns.append(np.array(list(worth.values.values()), np.float64) if worth.values else None)
        found = {"uncredited_rewards": worth.uncredited, "without_values": worth.lacking}
        self.report.notes.update({name: count for name, count in found.items() if count})
        return worth

    def _trajectories(self, rollout: Rollout, worth: TurnValues | None) -> list[Trajectory]:
        transitions, dropped = from_rollout(rollout, self.options)
        merged = merge(transitions, self.options)
        self.report.add(dropped)
        self.report.add(merged.rows if worth is None else worth.tell(merged.rows))
        self.report.notes.update(+merged.notes)
        self.report.choices(rollout.turns, used=sum(one.choice > 0 for one in transitions))
        for trajectory in merged.trajectories:
            self.report.written += 1
            self.report.tokens += len(trajectory.input_ids)
            self.report.trained_tokens += int(trajectory.loss_mask.sum())
            self.report.origins[trajectory.origin.kind] += 1
        return merged.trajectories


def scored(batch: pa.RecordBatch, scores: Scores) -> pa.RecordBatch:
    """The batch in the columns of `SCHEMA` (or `AGENT_SCHEMA`), its advantages filled in from the rollouts' scores."""
    masks = batch["loss_mask"]
    row_scores = [scores[number] for number in batch["rollout"].to_pylist()]
    if "turn_values" in batch.schema.names:
        per_token = _by_turn(batch, row_scores)
    else:
        per_row = np.array([0.0 if score is None else score for score in row_scores], dtype=np.float32)
        per_token = np.repeat(per_row, np.diff(masks.offsets.to_numpy()))
    values = np.where(masks.flatten().to_numpy() == 1, per_token, np.float32(0))
    missing = pa.array([score is None for score in row_scores], pa.bool_())
    lists = pa.ListArray.from_arrays(masks.offsets, pa.array(values, pa.float32()), mask=missing)
    columns = {name: batch[name] for name in batch.schema.names} | {"advantages": lists}
    schema = AGENT_SCHEMA if "agent" in columns else SCHEMA
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _by_turn(batch: pa.RecordBatch, scores: Scores) -> npt.NDArray[np.float32]:
    rows = []
    for turn_ids, values, score in zip(batch["turn_ids"], batch["turn_values"], scores, strict=True):
        places = turn_ids.values.to_numpy()
        if isinstance(score, tuple):
            baseline, scale = score
            # Adding 0 turns −0 into 0. Off the mask the place is −1, and the caller's mask takes what it finds.
            rows.append(((values.values.to_numpy() - baseline) / scale + 0.0)[places])
        else:
            rows.append(np.zeros(len(places)))
    return np.concatenate(rows).astype(np.float32)

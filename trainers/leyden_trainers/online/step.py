"""What a step of online training is given: the rollouts it asked for, as rows of tokens, and what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import pyarrow as pa


class Fate(StrEnum):
    """What became of a rollout. One that is not trained may still have a reward, which counts in its group."""

    TRAINED = "trained"
    FAILED = "failed"
    """The agent raised, or ended with an error."""
    TIMED_OUT = "timed_out"
    """The agent took too long and was killed."""
    INCOMPLETE = "incomplete"
    """The agent ended well, and not all of its spans were stored in time."""
    NO_TURN = "no_turn"
    """It is recorded whole, and called no model."""
    NOTHING_USABLE = "nothing_usable"
    """It called a model, and none of its turns can be trained on; the turns' own reasons are counted beside it."""
    NO_REWARD = "no_reward"
    """Nobody gave it a reward."""


@dataclass(frozen=True, slots=True)
class Row:
    """A trajectory, from the first token to the last that is trained.

    prompt_ids:     [P] the context before the first trained token
    completion_ids: [T] from the first trained token to the last
    mask:           [T] 1 where the policy sampled the token, 0 where the world answered
    logps:          [T] natural-log probability at sampling, 0 where the mask is 0
    """

    prompt_ids: Sequence[int]
    completion_ids: Sequence[int]
    mask: Sequence[int]
    logps: Sequence[float]

    @property
    def trained(self) -> int:
        """How many tokens are trained."""
        return sum(self.mask)


@dataclass(frozen=True, slots=True)
class Copy:
    """One rollout of a task. rows: none unless it is trained, several where it forks."""

    rollout_id: str
    fate: Fate
    reward: float | None
    rows: Sequence[Row] = ()
    said: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """The rollouts of a step, in the order they were asked for.

    dropped: LLM spans that are not trained on, by reason
    counts:  further numbers to be reported, by name
    """

    copies: Sequence[Copy]
    dropped: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, float] = field(default_factory=dict)

    def measured(self) -> dict[str, float]:
        """The step's numbers, by the names they are reported under."""
        fates = Counter(copy.fate for copy in self.copies)
        numbers: dict[str, float] = {f"rollouts/{fate}": fates[fate] for fate in Fate}
        numbers["rollouts/forked"] = sum(len(copy.rows) > 1 for copy in self.copies)
        numbers |= {f"dropped/{reason}": count for reason, count in self.dropped.items()}
        return numbers | dict(self.counts)


def rows_of(table: pa.Table) -> dict[str, list[Row]]:
    """The rows of each rollout, from a table of trajectories (`leyden_exporters.columns`), all with logprobs."""
    found: dict[str, list[Row]] = {}
    columns = (table[name] for name in ("rollout_id", "input_ids", "loss_mask", "old_logps"))
    for rollout_id, *lists in zip(*columns, strict=True):
        ids, mask, logps = (one.values.to_numpy() for one in lists)
        places = np.flatnonzero(mask)
        first, end = int(places[0]), int(places[-1]) + 1
        row = Row(ids[:first].tolist(), ids[first:end].tolist(), mask[first:end].tolist(), logps[first:end].tolist())
        found.setdefault(rollout_id.as_py(), []).append(row)
    return found

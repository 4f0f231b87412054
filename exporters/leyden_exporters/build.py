"""From rollouts to trajectory columns: what the `trajectories` export writes and what trainers consume."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_store.turns import Rollout


def trajectory_table(rollouts: Iterable[Rollout], options: Options | None = None) -> tuple[pa.Table, Report]:
    """Build every trajectory of the rollouts; one row each, in the columns of `columns.SCHEMA` (read it there).

    Rollouts are consumed one at a time, in the order given. Rows keep that order, then `branch`. Advantages are
    computed at the end over all rollouts with a reward, grouped by `group_id`; a rollout without a group is a group
    of its own, so that tasks are never mixed, and its GRPO, Dr. GRPO and RLOO advantage is 0 (the report counts
    these as `ungrouped`; ask for `Advantage.REINFORCE` when there are no groups). A group whose rewards are all
    equal has advantage 0; the report counts it as `zero_variance`.

    An empty selection gives a table without rows, not an error.
    """


def token_weights(table: pa.Table) -> list[npt.NDArray[np.float32]]:
    """Weights [T] per row, 0 off the mask, that sum to 1 over each rollout: its rows and turns share one vote.

    Multiply the per-token loss with them and divide by the number of rollouts, and a rollout counts the same
    whether it took one turn or twenty, in one trajectory or in several.
    """

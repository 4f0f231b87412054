"""What a table of trajectories lacks for a trainer, said before anything is loaded."""

from __future__ import annotations

from collections.abc import Set

import pyarrow as pa
import pyarrow.compute as pc

from leyden_trainers.errors import RequirementMissing
from leyden_trainers.plugin import Requirement, Trainer, TrainerConfig

_ADVICE = {
    Requirement.TOKEN_IDS: "sample from a server that returns token ids (vLLM, or Leyden's policy server)",
    Requirement.LOGPROBS: "sample from a server that returns token ids and logprobs",
    Requirement.REWARD: "give every rollout a reward, or select only those that have one",
    Requirement.GROUP: "name the task of every rollout with LEYDEN_GROUP_ID",
}


def usable(
    table: pa.Table, trainer: Trainer, config: TrainerConfig, waived: Set[Requirement] = frozenset()
) -> pa.Table:
    """The rows the trainer can use: all of them, or with `drop_incomplete` those that lack nothing.

    waived: what these settings do without

    Raises RequirementMissing with what is missing, in how many rows, and what to do.
    """
    if not table.num_rows:
        raise RequirementMissing(
            f"{trainer.name} has nothing to train on: none of the selected turns has token ids; "
            + _ADVICE[Requirement.TOKEN_IDS]
        )
    keep = pa.array([True] * table.num_rows)
    for requirement in Requirement:
        if requirement not in trainer.requires - waived:
            continue
        held = _held(table, requirement)
        missing = table.num_rows - (pc.sum(held).as_py() or 0)
        if missing and (not config.drop_incomplete or missing == table.num_rows):
            raise RequirementMissing(_sentence(trainer, requirement, missing, table.num_rows))
        keep = pc.and_(keep, held)
    kept = table.filter(keep)
    if not kept.num_rows:
        raise RequirementMissing(f"{trainer.name} has nothing to train on: every row lacks something it requires")
    return kept


def _held(table: pa.Table, requirement: Requirement) -> pa.Array:
    """bool [rows]: whether the row has it."""
    match requirement:
        case Requirement.TOKEN_IDS:
            return pa.array([bool(pc.max(mask.values).as_py()) for mask in table["loss_mask"]])
        case Requirement.LOGPROBS:
            sampled = pc.not_equal(table["ids_source"], "retokenised")
            return pc.and_(pc.is_valid(table["old_logps"]), sampled).combine_chunks()
        case Requirement.REWARD:
            valued = pc.is_valid(table["advantages"])  # per-turn rewards can leave a rewarded rollout without them
            return pc.and_(pc.is_valid(table["reward"]), valued).combine_chunks()
        case Requirement.GROUP:
            return pc.not_equal(table["group_id"], "").combine_chunks()


def _sentence(trainer: Trainer, requirement: Requirement, missing: int, rows: int) -> str:
    what = requirement.value.replace("_", " ")
    drop = "" if missing == rows else ", or leave these rows out with --set drop_incomplete=true"
    return f"{trainer.name} needs {what}, and {missing} of {rows} rows lack it: {_ADVICE[requirement]}{drop}"

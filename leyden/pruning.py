"""`leyden runs prune`: removing the files of checkpoints nobody needs. Their rows stay, so that lineage does too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from leyden_exporters.errors import PathUnwritable
from leyden_exporters.snapshots.target import parse_target, remove_folder
from leyden_store.checkpoints import Checkpoint, CheckpointState
from leyden_store.lightning import LightningStore


@dataclass(frozen=True, slots=True)
class Looked:
    """What became of a checkpoint, or would. stays: why it is left, "" where it is not."""

    checkpoint: Checkpoint
    stays: str = ""


def prune(
    store: LightningStore, *, keep: int | None = None, older_than_s: float | None = None, yes: bool = False
) -> list[Looked]:
    """Remove all checkpoints but the `keep` newest, or of these those made so long ago; without `yes` only say which.

    One that was promoted, is served, or that a run begins with is left whatever is asked, and says so.
    """
    now = datetime.now(UTC)
    there = [one for one in store.checkpoints.all() if one.state is not CheckpointState.PRUNED]
    held = store.checkpoints.in_use(now)
    looked = []
    for one in there[keep or 0 :]:
        if older_than_s is not None and one.created_at and now - one.created_at < timedelta(seconds=older_than_s):
            continue
        stays = held.get(one.checkpoint_id, "")
        if not stays and yes:
            stays = _removed(store, one)
        looked.append(Looked(one, stays))
    return looked


def _removed(store: LightningStore, one: Checkpoint) -> str:
    """Why it could not be removed, "" when it was."""
    target = parse_target(one.path)
    try:
        if target.remote or (Path(one.path) / "config.json").is_file():
            remove_folder(target)
        elif Path(one.path).exists():
            return f"{one.path} is no checkpoint any more"
    except (PathUnwritable, OSError) as error:
        return str(error)
    store.checkpoints.record(replace(one, state=CheckpointState.PRUNED))
    return ""

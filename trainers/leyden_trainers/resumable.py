"""States a run can go on from: transformers' own checkpoints, trusted once they are whole, the newest kept."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainingArguments

from leyden_trainers.checkpoints import MARK, states
from leyden_trainers.errors import OutputTaken

_EVERY_S = 600.0
"""How much of a run a kill costs at most, where the user has not said when to save."""

_OF_THE_MOMENT = {"output_dir", "logging_dir", "disable_tqdm", "hub_token"}


class KeepStates(TrainerCallback):
    """Marks each state once it is written, removes the one before, and asks for one every while.

    No state is written at the last step: the checkpoint itself follows at once, and transformers, going on from a run's
    last step, would train another one.
    """

    def __init__(self, folder: Path, arguments: TrainingArguments, *, by_time: bool) -> None:
        self._folder = folder
        self._mark = json.dumps({"arguments": fingerprint(arguments)})
        self._by_time = by_time
        self._saved = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - transformers' own
        if self._by_time and time.monotonic() - self._saved > _EVERY_S:
            control.should_save = True
        control.should_save &= state.global_step < state.max_steps

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - transformers' own
        control.should_save &= state.global_step < state.max_steps

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - transformers' own
        self._saved = time.monotonic()
        newest = self._folder / f"checkpoint-{state.global_step}"
        written = newest / f"{MARK}.part"
        written.write_text(self._mark)
        written.rename(newest / MARK)
        drop_states(self._folder, but=newest)


def newest_state(folder: Path, arguments: TrainingArguments) -> Path | None:
    """The state to go on from; None where there is none. Raises OutputTaken when other settings made it."""
    whole = [state for state in states(folder) if (state / MARK).is_file()]
    if not whole:
        return None
    if json.loads((whole[-1] / MARK).read_text(encoding="utf-8"))["arguments"] != fingerprint(arguments):
        raise OutputTaken(f"{folder.parent} holds a run of other settings: go on with those, or remove it")
    return whole[-1]


def drop_states(folder: Path, but: Path | None = None) -> None:
    """Remove the states, or all but one."""
    for state in states(folder):
        if state != but:
            shutil.rmtree(state)


def fingerprint(arguments: TrainingArguments) -> str:
    """SHA-256 of the settings; what belongs to a place or moment is left out."""
    told: Any = arguments
    values = {key: value for key, value in told.to_dict().items() if key not in _OF_THE_MOMENT}
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()

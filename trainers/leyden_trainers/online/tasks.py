"""Task sets: what agents are asked to do, as JSON Lines of `{"id", "input", …}`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from leyden_exporters.curation.candidates import text_of
from leyden_store.lightning import LightningStore
from leyden_store.selection import Selection
from leyden_trainers.errors import TasksInvalid


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do.

    id:    the same for the same task, so that it serves as the group of its rollouts
    input: what the agent is given: a text, or any JSON value
    extra: the line's other keys; `reference` is for reward functions
    """

    id: str
    input: Any
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The input as text: as it stands, or as JSON."""
        return self.input if isinstance(self.input, str) else json.dumps(self.input, ensure_ascii=False)


def read_tasks(path: str | Path) -> list[Task]:
    """The tasks of a file; one without `id` (or `group_id`) is called by a hash of its input.

    Raises TasksInvalid, saying which line is wrong, when two tasks have one id, and for a file without tasks.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TasksInvalid(f"cannot read tasks from {path}: {getattr(error, 'strerror', None) or error}") from error
    found: dict[str, Task] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        task = _task(line, f"{path}, line {number}")
        if task.id in found:
            raise TasksInvalid(f"{path}, line {number}: a second task has the id {task.id!r}")
        found[task.id] = task
    if not found:
        raise TasksInvalid(f'{path} holds no task: write lines such as {{"id": "t1", "input": "…"}}')
    return list(found.values())


def write_tasks(path: Path, tasks: Sequence[Task]) -> None:
    """Tasks as a file that `read_tasks` reads."""
    lines = [{"id": task.id, "input": task.input, **task.extra} for task in tasks]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def tasks_of(store: LightningStore, selection: Selection) -> list[Task]:
    """The tasks of stored rollouts: what the user last said before the first reply. Rollouts of a group have one.

    Raises TasksInvalid when no rollout says any, SelectionEmpty when nothing is selected.
    """
    found: dict[str, Task] = {}
    for rollout in chain.from_iterable(store.rollout_batches(selection)):
        said = next((text for turn in rollout.turns[:1] if (text := _asked(turn.messages))), None)
        if said is not None:
            name = rollout.group_id or _hash(said)
            found.setdefault(name, Task(name, said))
    if not found:
        raise TasksInvalid("none of the selected rollouts says what its task was: give a file, --set tasks=FILE")
    return list(found.values())


def _asked(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """The text of the last user message."""
    last = next((message for message in reversed(messages) if message.get("role") == "user"), None)
    return (text_of(last) or None) if last else None


def _task(line: str, place: str) -> Task:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise TasksInvalid(f"{place}: no JSON: {error}") from error
    if not isinstance(value, dict) or "input" not in value:
        raise TasksInvalid(f'{place}: a task is an object with "input"')
    given = next((value[key] for key in ("id", "group_id") if value.get(key) not in (None, "")), None)
    extra = {key: other for key, other in value.items() if key not in ("id", "group_id", "input")}
    return Task(_hash(value["input"]) if given is None else str(given), value["input"], extra)


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]

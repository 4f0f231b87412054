"""Task sets: what agents are asked to do, as JSON Lines of `{"id", "input", …}`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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

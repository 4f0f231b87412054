"""Task sets as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from leyden_trainers.errors import TasksInvalid
from leyden_trainers.online.tasks import Task, read_tasks, write_tasks


def test_a_line_is_a_task_and_its_other_keys_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text(
        '{"id": "a", "input": "how heavy", "reference": 3}\n\n{"group_id": 7, "input": {"q": 1}}\n{"input": "x"}\n'
    )
    first, second, third = read_tasks(path)
    assert first == Task("a", "how heavy", {"reference": 3})
    assert (second, second.text) == (Task("7", {"q": 1}), '{"q": 1}')
    assert third.id == read_tasks(path)[2].id != ""
    write_tasks(path, [first, second, third])
    assert read_tasks(path) == [first, second, third]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id": 1, "input": 1}\n{', "line 2: no JSON"),
        ('{"id": 1}', 'line 1: a task is an object with "input"'),
        ('{"id": 1, "input": 1}\n{"id": "1", "input": 2}', "line 2: a second task has the id '1'"),
        ("\n", "holds no task"),
    ],
)
def test_what_is_no_task_set_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text(text)
    with pytest.raises(TasksInvalid, match=said):
        read_tasks(path)
    with pytest.raises(TasksInvalid, match="cannot read tasks"):
        read_tasks(tmp_path / "nowhere.jsonl")

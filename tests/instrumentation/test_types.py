"""The API keeps the types of what it decorates, as mypy sees them."""

from __future__ import annotations

from pathlib import Path

from mypy import api

ROOT = Path(__file__).parents[2]

PROGRAM = """
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, assert_type

import leyden
from leyden_instrumentation import Rollout


@leyden.tool("add")
def add(a: int, b: int = 1) -> float:
    return a + b


@leyden.agent("solver")
async def solve(question: str) -> list[str]:
    leyden.annotate(difficulty="hard")
    leyden.evaluate("grounded", 0.9, label="pass")
    return [question]


@leyden.agent()
def items(n: int) -> Iterator[int]:
    yield n


@leyden.rollout(group_id="g")
async def stream() -> AsyncIterator[str]:
    yield "a"


assert_type(add(1, b=2), float)
pending = assert_type(solve("q"), Coroutine[Any, Any, list[str]])
assert_type(items(1), Iterator[int])
assert_type(stream(), AsyncIterator[str])
with leyden.rollout("r") as one, leyden.tool("search", arguments={"q": 1}) as call:
    assert_type(one, Rollout)
    assert_type(one.rollout_id, str)
    call.result("found")
    leyden.reward(1.0, "quality")
"""

WRONG = """
add("1")
wrong = solve(1)
leyden.reward("high")
leyden.tool(5)
"""


def check(program: str, folder: Path) -> list[str]:
    (folder / "program.py").write_text(program)
    out, _, _ = api.run(
        [
            "--config-file",
            str(ROOT / "pyproject.toml"),
            "--cache-dir",
            str(ROOT / ".mypy_cache"),
            str(folder / "program.py"),
        ]
    )
    return [line for line in out.splitlines() if "error" in line and "program.py" in line]


def test_signatures_survive_and_misuse_is_seen(tmp_path: Path) -> None:
    errors = check(PROGRAM + WRONG, tmp_path)
    at = PROGRAM.count("\n")
    assert [int(e.split(":")[1]) for e in errors] == [at + 2, at + 3, at + 4, at + 5], errors

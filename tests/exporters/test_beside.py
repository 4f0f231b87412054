"""A process beside does some of the work; whatever becomes of it, every result comes, in order."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from leyden_exporters.beside import Beside, in_order


@dataclass(frozen=True)
class Number:
    """A piece of work. home: the process that gave it out."""

    value: int
    home: int


def numbers(count: int = 20) -> list[Number]:
    return [Number(n, os.getpid()) for n in range(count)]


def squared(number: Number) -> tuple[int, int]:
    # Long enough that both have work at once.
    sum(range(200_000))
    return number.value**2, os.getpid()


def squared_at_home(number: Number) -> tuple[int, int]:
    if os.getpid() != number.home:
        os.kill(os.getpid(), signal.SIGKILL)
    return squared(number)


def printing(number: Number) -> tuple[int, int]:
    print("hello")
    return squared(number)


def failing(number: Number) -> tuple[int, int]:
    if number.value == 17:
        raise ValueError("seventeen")
    return squared(number)


@pytest.mark.parametrize("do", [squared, squared_at_home, printing, lambda number: squared(number)])
def test_every_result_comes_in_order(do: object) -> None:
    made = list(in_order(do, numbers(), cores=2))  # type: ignore[arg-type]
    assert [square for square, _ in made] == [n * n for n in range(20)]


def test_another_process_does_some_of_it() -> None:
    with Beside(squared) as beside:
        done = [beside.ask(number).result() for number in numbers(4)]
        assert done == [(n * n, beside.pid) for n in range(4)]


def looked_for_pandas(number: Number) -> tuple[bool, str]:
    pa.array([number.value]).to_numpy()
    found = "pandas" in sys.modules
    return found, importlib.import_module("pandas").__name__


def test_there_no_array_waits_for_pandas_which_is_there_for_who_wants_it() -> None:
    with Beside(looked_for_pandas) as beside:
        assert beside.ask(Number(1, 0)).result() == (False, "pandas")


@pytest.mark.parametrize(("cores", "count"), [(1, 20), (2, 6)])
def test_none_is_started_for_one_core_or_for_little_work(cores: int, count: int) -> None:
    assert {pid for _, pid in in_order(squared, numbers(count), cores=cores)} == {os.getpid()}


def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="seventeen"):
        list(in_order(failing, numbers(), cores=2))


def test_the_process_is_gone_with_who_asked() -> None:
    made = in_order(squared, numbers(), cores=2)
    pid = next(pid for _, pid in made if pid != os.getpid())
    assert Path(f"/proc/{pid}").exists()
    made.close()  # type: ignore[attr-defined]
    assert not Path(f"/proc/{pid}").exists()

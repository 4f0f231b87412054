"""Asking ahead gives the answers in order, no more of them asked for than wanted, and fails where the asking failed."""

from __future__ import annotations

import pytest

from leyden_store._ahead import asked_ahead


def test_answers_come_in_order_and_few_are_asked_for_at_once() -> None:
    asked: list[int] = []

    def ask(number: int) -> int:
        asked.append(number)
        return number * number

    answers = asked_ahead(ask, range(10), 2)
    assert next(answers) == 0
    assert set(asked) <= {0, 1, 2}
    assert list(answers) == [number * number for number in range(1, 10)]
    assert sorted(asked) == list(range(10))


def test_what_asking_raises_is_raised_where_its_answer_would_come() -> None:
    answers = asked_ahead(lambda number: 6 // number, [2, 1, 0, 3], 1)
    assert [next(answers), next(answers)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        next(answers)


def test_no_questions_have_no_answers() -> None:
    assert list(asked_ahead(str, [], 1)) == []

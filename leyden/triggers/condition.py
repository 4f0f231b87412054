"""A trigger's condition: comparisons of facts, in Python's notation, and nothing else of Python."""

from __future__ import annotations

import ast
import difflib
import operator
from collections.abc import Callable, Mapping
from typing import Any

from leyden_store.errors import LeydenError
from leyden_store.trigger_facts import FACTS

_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_COUNT: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda one, other: one / other if other else float("inf"),
}


class ConditionInvalid(LeydenError):
    """A condition is no comparison of facts; says which part."""

    exit_code = 2


def check(text: str) -> None:
    """Raise ConditionInvalid for what `holds` could not judge."""
    holds(text, dict.fromkeys(FACTS, 1.0))


def holds(text: str, facts: Mapping[str, float]) -> bool:
    """Whether the condition is true of the facts. Raises ConditionInvalid."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise _invalid(text) from error
    value = _value(tree, facts, text)
    if not isinstance(value, bool):
        raise ConditionInvalid(f"{text!r} compares nothing: write for example new_rollouts >= 500")
    return value


def _value(node: ast.expr, facts: Mapping[str, float], text: str) -> bool | float:
    match node:
        case ast.BoolOp(op, parts):
            truths = [_truth(part, facts, text) for part in parts]  # all of them: a fault in the last is a fault
            return all(truths) if isinstance(op, ast.And) else any(truths)
        case ast.UnaryOp(ast.Not(), part):
            return not _truth(part, facts, text)
        case ast.UnaryOp(ast.USub(), part):
            return -_number(part, facts, text)
        case ast.BinOp(left, op, right) if type(op) in _COUNT:
            return _COUNT[type(op)](_number(left, facts, text), _number(right, facts, text))
        case ast.Compare(left, ops, rights) if all(type(op) in _COMPARE for op in ops):
            values = [_number(part, facts, text) for part in (left, *rights)]
            pairs = zip(ops, values, values[1:], strict=False)
            return all(_COMPARE[type(op)](one, other) for op, one, other in pairs)
        case ast.Constant(bool()) | ast.Constant(str()):
            raise _invalid(text)
        case ast.Constant(int() | float() as value):
            return float(value)
        case ast.Name(name):
            if name not in facts:
                near = difflib.get_close_matches(name, facts, n=2) or list(facts)
                raise ConditionInvalid(f"{text!r} speaks of {name!r}, which is no fact: use {', '.join(near)}")
            return facts[name]
        case _:
            raise _invalid(text)


def _truth(node: ast.expr, facts: Mapping[str, float], text: str) -> bool:
    value = _value(node, facts, text)
    if not isinstance(value, bool):
        raise _invalid(text)
    return value


def _number(node: ast.expr, facts: Mapping[str, float], text: str) -> float:
    value = _value(node, facts, text)
    if isinstance(value, bool):
        raise _invalid(text)
    return value


def _invalid(text: str) -> ConditionInvalid:
    return ConditionInvalid(
        f"{text!r} is no condition: compare facts with numbers, joined by and, or, not; "
        f"the facts are {', '.join(FACTS)}"
    )

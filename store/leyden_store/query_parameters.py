"""The `{name:Type}` in a query, for which values are given when it is used."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PARAMETER = re.compile(r"\{\s*([A-Za-z_]\w*)\s*:\s*([^{}]+?)\s*\}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A `{name:Type}` in a query."""

    name: str
    type: str


def parameters_of(sql: str) -> list[Parameter]:
    """The parameters a query takes, each once, in the order they stand."""
    return list({found[1]: Parameter(found[1], found[2]) for found in _PARAMETER.finditer(sql)}.values())


def with_defaults(sql: str) -> str:
    """The query with a default value in place of every parameter, to be tried without any."""
    return _PARAMETER.sub(lambda found: "defaultValueOfTypeName('" + found[2].replace("'", "\\'") + "')", sql)

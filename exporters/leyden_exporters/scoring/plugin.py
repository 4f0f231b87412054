"""What a reward function is, and which there are: ours, those installed, or any `module:function`."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from leyden_exporters.curation.candidates import text_of
from leyden_exporters.errors import OptionsInvalid
from leyden_store.tree import SpanTree
from leyden_store.turns import Rollout

GROUP = "leyden.rewards"
"""The entry point group of reward functions."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a function says of a rollout. explanation: why, in words; label: in a word; agreement: of judges, 0 to 1."""

    value: float
    label: str = ""
    explanation: str = ""
    agreement: float | None = None


@dataclass(frozen=True)
class Case:
    """What a function is given: the rollout as turns, its span trees, and what it is to be compared with.

    reference: the right answer, tests, … for its group or itself, or None where there is none
    """

    rollout: Rollout
    reference: Any = None
    _trees: Callable[[], list[SpanTree]] = field(default=list, repr=False)

    @property
    def trees(self) -> list[SpanTree]:
        """The span tree of each of its traces; read when asked for."""
        return self._trees()

    @property
    def answer(self) -> str:
        """The text of the last reply, "" where there is none."""
        last = next((turn.response for turn in reversed(self.rollout.turns) if turn.response), None)
        return "" if last is None else text_of(last)


class RewardFunction(Protocol):
    """Judges a rollout."""

    @property
    def name(self) -> str:
        """What it is called; scores have this name unless another is given."""
        ...

    @property
    def version(self) -> str:
        """Stands with every score: a new version's scores stand beside the old ones'."""
        ...

    def __call__(self, case: Case) -> Score | None:
        """The score, or None where the function has nothing to say. What it raises is counted, never a score of 0."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """A function of a case, as a reward function. Its version is a hash of its text unless it has `version`."""

    function: Callable[[Case], Any]
    name: str
    version: str

    def __call__(self, case: Case) -> Score | None:
        """The score; a number or a truth value is one too."""
        found = self.function(case)
        if found is None or isinstance(found, Score):
            return found
        if isinstance(found, int | float):
            return Score(float(found))
        raise TypeError(f"{self.name} gave {type(found).__name__}, not a number, a Score or None")


def is_reward_function(name: str) -> bool:
    """Whether `find_reward` would look for a function of that name: it is ours, installed, or `module:function`."""
    from leyden_exporters.scoring.builtin import BUILTIN

    return ":" in name or name in BUILTIN or any(point.name == name for point in entry_points(group=GROUP))


def find_reward(name: str, settings: Mapping[str, str]) -> RewardFunction:
    """The reward function of that name. `module:function` is imported.

    settings: for functions that take some: those made by `from_settings(settings)`. Raises OptionsInvalid.
    """
    from leyden_exporters.scoring.builtin import BUILTIN

    if name in BUILTIN:
        return BUILTIN[name](dict(settings))
    points = {point.name: point for point in entry_points(group=GROUP)}
    try:
        found = points[name].load() if name in points else _imported(name, [*BUILTIN, *points])
    except OptionsInvalid:
        raise
    except Exception as error:
        raise OptionsInvalid(f"the reward function {name!r} cannot be loaded: {error}") from error
    if hasattr(found, "from_settings"):
        made: RewardFunction = found.from_settings(dict(settings))
        return made
    if settings:
        raise OptionsInvalid(f"the reward function {name!r} takes no settings, but was given {', '.join(settings)}")
    version = getattr(found, "version", None) or hashlib.sha256(_text(found).encode()).hexdigest()[:8]
    return Plain(found, getattr(found, "__name__", name.rpartition(":")[2]), str(version))


def reference_of(path: Path) -> Callable[[Rollout], Any]:
    """Finds a rollout's reference in a JSON Lines file of `{"group_id" or "rollout_id": …, "reference": …}`.

    Raises OptionsInvalid, saying which line.
    """
    by_rollout: dict[str, Any] = {}
    by_group: dict[str, Any] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise OptionsInvalid(f"cannot read the references from {path}: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            reference = found["reference"]
            if "rollout_id" in found:
                by_rollout[str(found["rollout_id"])] = reference
            else:
                by_group[str(found["group_id"])] = reference
        except (ValueError, KeyError, TypeError) as error:
            raise OptionsInvalid(
                f"{path}, line {number}: not an object with group_id and reference ({error})"
            ) from error
    return lambda rollout: by_rollout.get(rollout.rollout_id, by_group.get(rollout.group_id))


def _imported(name: str, known: list[str]) -> Any:
    module, colon, attribute = name.partition(":")
    if not colon:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or sorted(known)
        raise OptionsInvalid(f"no reward function is called {name!r}: use {', '.join(near)}, or module:function")
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    if not callable(found) and not hasattr(found, "from_settings"):
        raise OptionsInvalid(f"{name} is no function")
    return found


def _text(function: Any) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return repr(function)

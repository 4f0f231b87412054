"""Recipes: the steps, splits and seed of a data set in one TOML file, or the same from flags.

seed = 7
[[steps]]
step = "dedup"
near = 0.8
[splits]
validation = 0.1
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leyden_exporters.curation.near import Grams, grams_to_avoid
from leyden_exporters.curation.splits import Splits
from leyden_exporters.curation.steps import Step, run_steps, step_named
from leyden_exporters.errors import OptionsInvalid

_WORDS = 13
"""Words in a run that decontamination looks for, as GPT-3's authors chose it (https://arxiv.org/abs/2005.14165)."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What curation does. The empty recipe keeps everything in one part.

    folder: where the files that steps name are looked for
    """

    steps: tuple[Step, ...] = ()
    splits: Splits = field(default_factory=Splits)
    folder: Path = Path()

    def __post_init__(self) -> None:
        """Try the steps on nothing, so that a wrong one is said before anything is read. Raises OptionsInvalid."""
        run_steps(self.steps, [], self.splits.seed)

    def __bool__(self) -> bool:
        """Whether it does anything."""
        return bool(self.steps or self.splits.fractions)

    @property
    def needs_signatures(self) -> bool:
        """Whether a step compares words."""
        return any(step.name == "dedup" and step.settings.get("near") for step in self.steps)

    def apart_from(self) -> Grams | None:
        """What the rollouts must not share, of the `decontaminate` steps together; None without any."""
        wanted = [step.settings for step in self.steps if step.name == "decontaminate"]
        if not wanted:
            return None
        words = {int(settings.get("words", _WORDS)) for settings in wanted}
        if len(words) > 1 or min(words) < 1:
            raise OptionsInvalid("all decontaminate steps of a recipe take the same number of words, 1 or more")
        files: list[Path] = []
        for settings in wanted:
            against = settings.get("against") or []
            files += [self.folder / name for name in ([against] if isinstance(against, str) else against)]
        if not files:
            raise OptionsInvalid("decontaminate takes `against`: files of the texts to keep apart from")
        return grams_to_avoid(files, words.pop())

    def to_json(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {
            "seed": self.splits.seed,
            "steps": [{"step": step.name, **step.settings} for step in self.steps],
            "splits": dict(self.splits.fractions),
        }


def read_recipe(path: Path) -> Recipe:
    """A recipe from a TOML file. Raises OptionsInvalid, which says what is wrong where."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionsInvalid(f"cannot read the recipe {path}: {error.strerror}") from error
    except ValueError as error:
        raise OptionsInvalid(f"the recipe {path} is no TOML: {error}") from error
    try:
        unknown = set(found) - {"seed", "steps", "splits"}
        if unknown:
            raise OptionsInvalid(f"there is no {', '.join(sorted(unknown))}; it holds seed, [[steps]] and [splits]")
        return Recipe(
            tuple(_step(one) for one in found.get("steps", [])),
            Splits(dict(found.get("splits", {})), int(found.get("seed", 0))),
            path.parent,
        )
    except (OptionsInvalid, TypeError, ValueError, AttributeError) as error:
        raise OptionsInvalid(f"the recipe {path}: {error}") from error


def step_of(text: str) -> Step:
    """A step as a flag gives it: `dedup`, `dedup:near=0.8`, `decontaminate:against=a.jsonl`. Raises OptionsInvalid."""
    name, _, rest = text.partition(":")
    settings: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise OptionsInvalid(f"--step {text!r}: {part!r} is not NAME=VALUE")
        settings[key.strip()] = _value(value.strip())
    step_named(name)
    return Step(name, settings)


def _step(given: Mapping[str, Any]) -> Step:
    settings = dict(given)
    name = settings.pop("step", None)
    if not isinstance(name, str):
        raise OptionsInvalid('each of [[steps]] says which: step = "dedup"')
    step_named(name)
    return Step(name, settings)


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

"""Splits: each group is in one part of a data set whole, drawn by a seed; attempts at one task never cross."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from leyden_exporters.curation.steps import draw
from leyden_exporters.errors import OptionsInvalid

TRAIN = "train"


@dataclass(frozen=True, slots=True)
class Splits:
    """Parts beside `train`, name → fraction of the groups. None at all is a data set of one part.

    A group's part depends on its name and the seed alone: it stays where it is when others come or go.
    """

    fractions: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises OptionsInvalid."""
        for name, fraction in self.fractions.items():
            if not name.isidentifier() or name == TRAIN:
                raise OptionsInvalid(f"{name!r} cannot name a split beside {TRAIN}; use validation or test")
            if not 0 < fraction < 1:
                raise OptionsInvalid(f"the split {name} takes a fraction between 0 and 1, not {fraction}")
        if sum(self.fractions.values()) >= 1:
            raise OptionsInvalid("the splits leave nothing to train on: their fractions sum to 1 or more")

    @property
    def names(self) -> list[str]:
        """Every part, `train` first."""
        return [TRAIN, *self.fractions]

    def of(self, group: str) -> str:
        """The part a group belongs to."""
        place, edge = draw(self.seed, f"split {group}") / 2**64, 0.0
        for name, fraction in self.fractions.items():
            edge += fraction
            if place < edge:
                return name
        return TRAIN

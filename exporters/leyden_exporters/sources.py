"""What sources can give beside rollouts: skimmed ones, for what is made of tokens alone, or unread parcels.

Names only, so that a process that reads parcels imports no store.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from leyden_store.counted import Counted
from leyden_store.turns import Rollout

if TYPE_CHECKING:
    from leyden_store.skim import Skimmed


@runtime_checkable
class Skimmable(Protocol):
    """Rollouts to be read one by one, or skimmed: the same in the same order."""

    @abstractmethod
    def __iter__(self) -> Iterator[Rollout]: ...

    @abstractmethod
    def skims(self) -> Iterator[Sequence[Skimmed | Rollout]]:
        """The rollouts in pieces; the skimmed ones of a piece are of one sketch."""


class Unread(Protocol):
    """Some rollouts that are not read yet. It pickles, so that another process can read them.

    count: how many there are, before stitching
    """

    @property
    def count(self) -> int: ...
    def rollouts(self) -> Iterable[Rollout]:
        """Read them."""


@runtime_checkable
class Parcelled(Protocol):
    """Rollouts to be read one by one, or had in parcels: the same in the same order."""

    @abstractmethod
    def __iter__(self) -> Iterator[Rollout]: ...

    @abstractmethod
    def parcels(self) -> Counted[Unread]:
        """The rollouts, unread."""

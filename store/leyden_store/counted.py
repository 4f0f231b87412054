"""Things that come one by one, and how many will."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item", covariant=True)


@dataclass(frozen=True, slots=True)
class Counted(Generic[Item]):
    """An iterable with a length: who is to work on them can make ready before the first is there."""

    count: int
    items: Iterable[Item]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

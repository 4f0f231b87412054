"""Where rollouts come from: spans in memory, tables of them, a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import pyarrow as pa

from leyden_exporters.sources import Skimmable, Unread
from leyden_store.counted import Counted
from leyden_store.lightning import LightningStore
from leyden_store.parcels import Parcel
from leyden_store.reading import read_rollouts
from leyden_store.selection import Selection
from leyden_store.skim import ReadSpans, Skimmed, skim_spans, skim_table
from leyden_store.skim.store import skim_store
from leyden_store.spans import Span
from leyden_store.turns import PostedReward, Rollout


class SpanSource:
    """Rollouts of spans held in memory, in pieces that were recorded together (a batch, a day, everything)."""

    def __init__(self, pieces: Iterable[Sequence[Span]], rewards: Iterable[PostedReward] = ()) -> None:
        self._pieces = pieces
        self._rewards = list(rewards)

    def __iter__(self) -> Iterator[Rollout]:
        for piece in self._pieces:
            yield from read_rollouts(piece, self._rewards)

    def skims(self) -> Iterator[Sequence[Skimmed | Rollout]]:
        """A piece at a time."""
        for piece in self._pieces:
            yield skim_spans(piece, self._rewards)


class TableSource:
    """Rollouts of tables in memory, as `skim_tables` gave them from a store, each with the spans that reading needs."""

    def __init__(self, tables: Iterable[tuple[pa.Table, ReadSpans]], rewards: Iterable[PostedReward] = ()) -> None:
        self._tables = tables
        self._rewards = list(rewards)

    def __iter__(self) -> Iterator[Rollout]:
        for table, read in self._tables:
            yield from read_rollouts(read(set(table["TraceId"].to_pylist())), self._rewards)

    def skims(self) -> Iterator[Sequence[Skimmed | Rollout]]:
        """A table at a time."""
        for table, read in self._tables:
            yield skim_table(table, read, self._rewards)


class StoreSource:
    """The selected rollouts of a store."""

    def __init__(self, store: LightningStore, selection: Selection | None = None) -> None:
        self._store, self._selection = store, selection

    def count(self) -> int:
        """How many rollouts there are; those that stitching makes one are counted apart."""
        return int(self._store.preview(self._selection or Selection(), limit=0)["rollouts"])

    def __iter__(self) -> Iterator[Rollout]:
        return chain.from_iterable(self._store.rollout_batches(self._selection))

    def parcels(self) -> Counted[Parcel]:
        """A batch of rollouts at a time, unread. Raises SelectionEmpty when nothing matches."""
        return self._store.parcels(self._selection)

    def skims(self) -> Iterator[Sequence[Skimmed | Rollout]]:
        """A batch of rollouts at a time. Raises SelectionEmpty before the first when nothing matches."""
        return skim_store(self._store, self._selection)


class Watched:
    """Another source's rollouts; `passed` hears of each number of them as they are taken, and at the end of None."""

    def __init__(self, source: Skimmable, passed: Callable[[int | None], object]) -> None:
        self._source, self._passed = source, passed

    def __iter__(self) -> Iterator[Rollout]:
        for rollout in self._source:
            self._passed(1)
            yield rollout
        self._passed(None)

    def skims(self) -> Iterator[Sequence[Skimmed | Rollout]]:
        """The source's pieces."""
        for piece in self._source.skims():
            self._passed(len(piece))
            yield piece
        self._passed(None)


class WatchedParcels(Watched):
    """As `Watched`, of a source that has parcels: one is told when it is taken."""

    def __init__(self, source: StoreSource, passed: Callable[[int | None], object]) -> None:
        super().__init__(source, passed)
        self._parcelled = source

    def parcels(self) -> Counted[Unread]:
        """The source's parcels."""
        parcels = self._parcelled.parcels()
        return Counted(len(parcels), self._passing(parcels))

    def _passing(self, parcels: Iterable[Unread]) -> Iterator[Unread]:
        for parcel in parcels:
            yield parcel
            self._passed(parcel.count)
        self._passed(None)


def watched(source: Skimmable, passed: Callable[[int | None], object]) -> Skimmable:
    """The source with `passed` told of what is taken from it."""
    return WatchedParcels(source, passed) if isinstance(source, StoreSource) else Watched(source, passed)


def as_is(rollouts: Iterable[Rollout]) -> Iterable[Rollout]:
    """The rollouts themselves: nobody watches them pass."""
    return rollouts

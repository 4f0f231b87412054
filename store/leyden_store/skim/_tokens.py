"""Token arrays of many spans, end to end in one numpy array."""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_MARSHAL_VERSION = 2
"""The last without references between objects: every record then has a fixed size."""
_RECORD = np.dtype([("kind", "u1"), ("value", "<i4")])
_LIST, _INT = ord("["), ord("i")


@dataclass(frozen=True, slots=True)
class Ragged:
    """Arrays of one type, end to end: array i is `flat[starts[i] : starts[i + 1]]`."""

    flat: npt.NDArray[Any]
    starts: list[int]

    @classmethod
    def empty(cls) -> Ragged:
        """No arrays."""
        return cls(np.zeros(0), [0])

    def __getitem__(self, index: int) -> npt.NDArray[Any]:
        return self.flat[self.starts[index] : self.starts[index + 1]]

    def tobytes(self) -> bytes:
        """All of `flat`, not copied where it is a view of bytes."""
        held = self.flat.base
        return held if isinstance(held, bytes) else self.flat.tobytes()

    def joined(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """These arrays, end to end."""
        starts = np.array(self.starts)
        lengths = starts[indices + 1] - starts[indices]
        before = np.cumsum(lengths) - lengths
        places = np.repeat(starts[indices] - before, lengths) + np.arange(lengths.sum())
        return np.take(self.flat, places)

    def length(self, index: int) -> int:
        """How many values array `index` has."""
        return self.starts[index + 1] - self.starts[index]

    def holding_negatives(self) -> set[int]:
        """The arrays that hold a number below 0."""
        return self._holding(self.flat < 0) if self.flat.min(initial=0) < 0 else set()

    def holding_infinities(self) -> set[int]:
        """The arrays that hold a number that is not finite."""
        finite = np.isfinite(self.flat)
        return set() if finite.all() else self._holding(~finite)

    def _holding(self, marked: npt.NDArray[np.bool_]) -> set[int]:
        places = np.flatnonzero(marked)
        return set((np.searchsorted(np.array(self.starts), places, side="right") - 1).tolist())


def ragged_ids(lists: Sequence[Sequence[int]]) -> Ragged | None:
    """Lists of token ids as int32; None when one holds anything but plain integers of 32 bits.

    `marshal` writes a list's head and each such integer as one byte of type and four of value, and any other value
    differently. So its output is an array of records, and types are checked without a look at each integer in Python.
    """
    starts = np.zeros(len(lists) + 1, np.int64)
    np.cumsum([len(one) for one in lists], out=starts[1:])
    if not starts[-1]:
        return Ragged(np.zeros(0, np.int32), starts.tolist())
    written = marshal.dumps(list(lists), _MARSHAL_VERSION)
    if len(written) != _RECORD.itemsize * (1 + len(lists) + int(starts[-1])):
        return None
    records = np.frombuffer(written, _RECORD)[1:]
    heads = np.arange(len(lists)) + starts[:-1]
    kinds = np.full(len(records), _INT, np.uint8)
    kinds[heads] = _LIST
    if not np.array_equal(records["kind"], kinds):
        return None
    return Ragged(np.delete(records["value"], heads), starts.tolist())


def ragged_floats(lists: Sequence[Sequence[float]]) -> Ragged | None:
    """Lists of numbers as float64; None when one holds anything else."""
    starts = np.zeros(len(lists) + 1, np.int64)
    np.cumsum([len(one) for one in lists], out=starts[1:])
    try:
        parts = [np.asarray(one, np.float64) for one in lists if len(one)]
    except (TypeError, ValueError):
        return None
    return Ragged(np.concatenate(parts) if parts else np.zeros(0), starts.tolist())

"""Prometheus's text format: families of samples with their help and type, and a histogram to observe seconds in.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4"

_BOUNDS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: `suffix` is put behind the family's name."""

    value: float
    labels: Mapping[str, str]
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: what it means, and its samples."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: tuple[Sample, ...]

    @classmethod
    def one(cls, name: str, kind: Literal["counter", "gauge"], said: str, value: float) -> Family:
        """A metric of one sample without labels."""
        return cls(name, kind, said, (Sample(value, {}),))

    def lines(self) -> Iterable[str]:
        """The family as text."""
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.kind}"
        for sample in self.samples:
            labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in sample.labels.items())
            value = repr(float(sample.value)) if sample.value != int(sample.value) else str(int(sample.value))
            yield f"{self.name}{sample.suffix}{{{labels}}} {value}" if labels else f"{self.name}{sample.suffix} {value}"


def text(families: Iterable[Family]) -> str:
    """The page that Prometheus reads."""
    return "\n".join(line for family in families for line in family.lines()) + "\n"


class Histogram:
    """How often which number of seconds was seen; safe to observe from several threads."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS_S) + 1)
        self._sum = 0.0
        self._lock = threading.Lock()

    def observe(self, seconds: float) -> None:
        """Count one."""
        with self._lock:
            self._counts[bisect_left(_BOUNDS_S, seconds)] += 1
            self._sum += seconds

    def samples(self, labels: Mapping[str, str]) -> Iterable[Sample]:
        """Its buckets, each with those below, its sum and its count."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        below = 0
        for bound, count in zip((*map(str, _BOUNDS_S), "+Inf"), counts, strict=True):
            below += count
            yield Sample(below, {**labels, "le": bound}, "_bucket")
        yield Sample(total, labels, "_sum")
        yield Sample(below, labels, "_count")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

"""`leyden score`: a reward function over stored rollouts, in parallel, its scores stored as they come.

A score's source is `score:NAME@VERSION`, so that a new version stands beside the old. What fails is counted and is no
score: a rollout is never worth 0 because judging it went wrong.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from statistics import fmean
from typing import Any

from leyden_exporters.errors import OptionsInvalid
from leyden_exporters.scoring import Case, RewardFunction, Score
from leyden_exporters.scoring.matching import NoReference
from leyden_exporters.scoring.plugin import Plain
from leyden_exporters.skimmable import StoreSource, as_is
from leyden_store.lightning import LightningStore
from leyden_store.select_check import check_select
from leyden_store.selection import Selection
from leyden_store.turns import PostedReward, Rollout

_AT_ONCE = 64
"""Scores stored with one insert: what is lost at most when it is killed."""

_TOLD = 5
"""Failures told in words."""


@dataclass(slots=True)
class Scoring:
    """What came of it. mean: of the scores given; failures: the first few, in words; errors: all, by kind."""

    name: str
    source: str
    rollouts: int = 0
    scored: int = 0
    skipped: int = 0
    nothing_said: int = 0
    no_reference: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    total: float = 0.0
    agreements: list[float] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """What `leyden score --json` prints."""
        return {
            "name": self.name,
            "source": self.source,
            "rollouts": self.rollouts,
            "scored": self.scored,
            "skipped": self.skipped,
            "nothing_said": self.nothing_said,
            "no_reference": self.no_reference,
            "errors": dict(self.errors),
            "failures": self.failures,
            "mean": self.total / self.scored if self.scored else None,
            "agreement": sum(self.agreements) / len(self.agreements) if self.agreements else None,
        }


def score(
    store: LightningStore,
    selection: Selection,
    function: RewardFunction,
    *,
    name: str | None = None,
    reference: Callable[[Rollout], Any] = lambda _: None,
    workers: int = 4,
    only_new: bool = False,
    watch: Callable[[Iterable[Rollout]], Iterable[Rollout]] = as_is,
) -> Scoring:
    """Run a reward function over the selected rollouts and store its scores as rewards of that name.

    only_new: leave out rollouts that this version scored already, so that a scoring that was cut off goes on

    Raises SelectionEmpty.
    """
    done = Scoring(name or function.name, f"score:{function.name}@{function.version}")
    scored = _scored(store, done) if only_new else frozenset()
    waiting: list[PostedReward] = []
    with ThreadPoolExecutor(workers) as pool:
        for rollout, found in _in_parallel(
            pool,
            _chosen(watch(StoreSource(store, selection)), scored, done),
            partial(_judge, store, function, reference),
            workers,
        ):
            made = _posted(rollout, found, done)
            if made is not None:
                waiting.append(made)
            if len(waiting) >= _AT_ONCE:
                store.add_rewards(waiting)
                waiting = []
    store.add_rewards(waiting)
    return done


def _chosen(rollouts: Iterable[Rollout], scored: frozenset[str], done: Scoring) -> Iterator[Rollout]:
    for rollout in rollouts:
        done.rollouts += 1
        if rollout.rollout_id in scored:
            done.skipped += 1
        else:
            yield rollout


def _in_parallel(
    pool: ThreadPoolExecutor,
    rollouts: Iterable[Rollout],
    judge: Callable[[Rollout], Score | None],
    workers: int,
) -> Iterator[tuple[Rollout, Future[Score | None]]]:
    """Rollouts with their judgements as these come; only as many wait as keep the workers busy."""
    running: dict[Future[Score | None], Rollout] = {}
    for rollout in rollouts:
        running[pool.submit(judge, rollout)] = rollout
        if len(running) >= 4 * workers:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future
    while running:
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future


def _judge(
    store: LightningStore, function: RewardFunction, reference: Callable[[Rollout], Any], rollout: Rollout
) -> Score | None:
    trees = lambda: [store.trace(trace_id) for trace_id in rollout.trace_ids]  # noqa: E731
    return function(Case(rollout, reference(rollout), trees))


def _posted(rollout: Rollout, future: Future[Score | None], done: Scoring) -> PostedReward | None:
    try:
        found = future.result()
        if found is not None and not isfinite(found.value):
            raise ValueError(f"gave {found.value}, which is no finite number")
    except NoReference:
        done.no_reference += 1
        return None
    except Exception as error:  # Whatever a function raises is its own; the other rollouts go on.
        done.errors[type(error).__name__] += 1
        if len(done.failures) < _TOLD:
            done.failures.append(f"{rollout.rollout_id}: {type(error).__name__}: {error}")
        return None
    if found is None:
        done.nothing_said += 1
        return None
    done.scored += 1
    done.total += found.value
    if found.agreement is not None:
        done.agreements.append(found.agreement)
    return PostedReward(
        done.name,
        float(found.value),
        rollout_id=rollout.rollout_id,
        source=done.source,
        label=found.label,
        explanation=found.explanation,
    )


def _scored(store: LightningStore, done: Scoring) -> frozenset[str]:
    rows = store.connection.rows(
        "SELECT DISTINCT RolloutId AS id FROM rewards WHERE Name = {name:String} AND Source = {source:String}",
        {"name": done.name, "source": done.source},
    )
    return frozenset(row["id"] for row in rows)


def score_by_sql(
    store: LightningStore, selection: Selection, settings: dict[str, str], *, name: str | None, only_new: bool = False
) -> Scoring:
    """Scores that a SELECT gives, of the rollouts selected: the setting `sql`, with columns TraceId and Value.

    A rollout of several traces gets the mean of what they are given; null gives none. Raises OptionsInvalid,
    QueryRefused, QueryFailed, SelectionEmpty.
    """
    if set(settings) != {"sql"}:
        raise OptionsInvalid("the reward sql takes one setting: --set sql='SELECT TraceId, … AS Value FROM …'")
    text = settings["sql"].strip().rstrip(";").rstrip()
    check_select(text, project=selection.project)
    version = hashlib.sha256(text.encode()).hexdigest()[:8]
    given: dict[str, list[float]] = {}
    found = store.sql(f"SELECT TraceId, toFloat64OrNull(toString(Value)) AS Value FROM ({text}\n)")
    for row in found.to_pylist():
        if row["Value"] is not None:
            given.setdefault(row["TraceId"], []).append(row["Value"])

    def judge(case: Case) -> Score | None:
        values = [value for trace_id in case.rollout.trace_ids for value in given.get(trace_id, ())]
        return Score(fmean(values)) if values else None

    return score(store, selection, Plain(judge, "sql", version), name=name, only_new=only_new, workers=1)

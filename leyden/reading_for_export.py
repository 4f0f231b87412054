"""Reading for an export: the rollouts of a selection, curated and split, each part to be gone over once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leyden_exporters.curation import Candidate, candidate, run_steps
from leyden_exporters.curation.corrections import corrected
from leyden_exporters.curation.spool import KeptBatches, Spool
from leyden_exporters.formats import Format
from leyden_exporters.options import Options
from leyden_exporters.report import Reason, Report, SpanRow
from leyden_exporters.skimmable import StoreSource
from leyden_exporters.snapshots import Part, Target
from leyden_exporters.transitions import unread
from leyden_store.lightning import LightningStore
from leyden_store.selection import Selection
from leyden_store.turns import Rollout

if TYPE_CHECKING:
    from leyden.exporting import Plan, Watch


@dataclass(slots=True)
class Chosen:
    """What an export writes.

    parts:    the parts, `train` first; curation: each step's counts
    left_out: accounts for the rollouts that curation left out
    """

    parts: list[Part]
    curation: Sequence[Mapping[str, Any]] = ()
    left_out: list[Report] = field(default_factory=list)
    _done: list[Callable[[], None]] = field(default_factory=list)

    @classmethod
    def nothing_read(cls) -> Chosen:
        """One part, for formats that read the store themselves."""
        return cls([Part("train", ())])

    def done(self) -> None:
        """What was kept to go on with is needed no more."""
        for each in self._done:
            each()


def chosen_rollouts(
    store: LightningStore,
    selection: Selection,
    options: Options,
    plan: Plan,
    form: Format,
    target: Target,
    watch: Watch,
    closing: ExitStack,
) -> Chosen:
    """The rollouts of an export. Without a recipe they stream; with one they are spooled, and gone over again."""
    done: list[Callable[[], None]] = []
    rollouts: Iterable[Rollout] = StoreSource(store, selection)
    if plan.resume and not target.remote:
        kept = KeptBatches(target.path.with_name(f".{target.path.name}.resume"), store.plan(selection))
        rest = kept.keep(store.rollout_batches(selection, skip=kept.count))
        rollouts = chain.from_iterable(chain(kept.kept(), rest))
        done.append(kept.done)
    rollouts = watch(rollouts)
    corrections = store.labels.corrections() if form.supervised else {}
    if corrections:
        rollouts = corrected(rollouts, corrections)
    if not plan.recipe:
        return Chosen([Part("train", rollouts)], _done=done)
    spool = Spool(Path() if target.remote else target.path.absolute().parent)
    closing.callback(spool.close)
    chosen = _curated(spool, rollouts, options, plan)
    chosen._done = done
    return chosen


def _curated(spool: Spool, rollouts: Iterable[Rollout], options: Options, plan: Plan) -> Chosen:
    recipe, apart_from = plan.recipe, plan.recipe.apart_from()
    candidates = [
        candidate(number, rollout, options, near=recipe.needs_signatures, apart_from=apart_from)
        for number, rollout in enumerate(spool.fill(rollouts))
    ]
    left, reasons, outcomes = run_steps(recipe.steps, candidates, recipe.splits.seed)
    split_of = {one.number: recipe.splits.of(one.group) for one in left}
    report = Report()
    if reasons:
        for number, rollout in enumerate(spool):
            if number in reasons:
                _account(rollout, reasons[number], report)
    return Chosen(
        [Part(split, _part(spool, split_of, split)) for split in recipe.splits.names],
        [outcome.to_json() for outcome in outcomes] + _split_counts(left, split_of, recipe.splits.names),
        [report],
    )


def _part(spool: Spool, split_of: Mapping[int, str], split: str) -> Iterator[Rollout]:
    return (rollout for number, rollout in enumerate(spool) if split_of.get(number) == split)


def _split_counts(left: Sequence[Candidate], split_of: Mapping[int, str], names: Sequence[str]) -> list[dict[str, Any]]:
    if len(names) == 1:
        return []
    counts = Counter(split_of.values())
    return [{"step": f"split {name}", "in": len(left), "out": counts[name], "dropped": {}} for name in names]


def _account(rollout: Rollout, why: str, report: Report) -> None:
    report.rollouts += 1
    report.add(unread(span) for span in rollout.dropped)
    report.add(SpanRow(rollout.rollout_id, turn.trace_id, turn.span_id, Reason.CURATED, why) for turn in rollout.turns)


def merged(reports: Iterable[Report]) -> dict[str, Any]:
    """The reports' counts, summed; the report itself where there is one."""
    total: dict[str, Any] = {}
    for report in reports:
        _add(total, report.to_json())
    return total


def _add(total: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping):
            _add(total.setdefault(key, {}), value)
        else:
            total[key] = total.get(key, 0) + value

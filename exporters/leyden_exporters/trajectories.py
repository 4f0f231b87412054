"""Trajectories: prefix-consistent token sequences built from the transitions of one rollout.

Pure: transitions in, numpy columns out. Nothing here knows ClickHouse, torch or a dialect.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from leyden_exporters.errors import MixedRollouts
from leyden_exporters.forest import Chain, Origin, OriginKind, Step, grow
from leyden_exporters.options import Options, Overlong
from leyden_exporters.report import Reason, SpanRow
from leyden_exporters.transitions import Ids, Transition, drop

_BEFORE = 4
"""Tokens told from before the place where a chain leaves another."""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One training row, before advantages; T is its length in tokens.

    branch:      its place among the rollout's trajectories, from 0
    transitions: the turns trained here, in order; `turn_ids` counts in them
    input_ids:   int32 [T], everything the last turn's server saw and sampled
    loss_mask:   uint8 [T], 1 where a turn of `transitions` sampled the token
    old_logps:   float32 [T] in nats, 0 where the mask is 0; None when any turn trained here has no logprobs
    turn_ids:    int32 [T], index into `transitions` of the turn that sampled the token, -1 where the mask is 0
    truncated:   a response ran into its token limit, or the row was cut
    origin:      how the row began: first of its rollout, fork, break, …; its `chain` is the branch it left, None when
                 that was dropped
    """

    branch: int
    transitions: tuple[Transition, ...]
    input_ids: Ids
    loss_mask: npt.NDArray[np.uint8]
    old_logps: npt.NDArray[np.float32] | None
    turn_ids: npt.NDArray[np.int32]
    truncated: bool
    origin: Origin

    @property
    def span_ids(self) -> list[str]:
        """The spans whose responses are trained here, in order."""
        return [transition.span_id for transition in self.transitions]

    @property
    def agent(self) -> str | None:
        """The agent whose turns are trained here; several are joined by ",", an unnamed one among them is "?"."""
        return joined(transition.agent for transition in self.transitions)

    @property
    def policy_version(self) -> str | None:
        """The weights that sampled the row; several are joined by ",", an unnamed one among them is "?"."""
        return joined(transition.policy_version for transition in self.transitions)

    @property
    def ids_source(self) -> str:
        """Where the ids come from: "server", or "retokenised" when any turn's are."""
        retokenised = any(transition.ids_source != "server" for transition in self.transitions)
        return "retokenised" if retokenised else "server"


def joined(names: Iterable[str | None]) -> str | None:
    """Distinct names, joined by ","; an unnamed one among them is "?". None where none is named."""
    distinct = dict.fromkeys(names)
    return None if set(distinct) == {None} else ",".join("?" if name is None else name for name in distinct)


@dataclass(slots=True)
class Merged:
    """What became of one rollout's transitions.

    rows:  one per span, kept or dropped; a span of several choices is kept when any of them is
    notes: counts for the report: cut, without_logprobs, mixed_policies
    """

    trajectories: list[Trajectory]
    rows: list[SpanRow]
    notes: Counter[str]


def merge(transitions: Sequence[Transition], options: Options | None = None) -> Merged:
    """Join transitions whose prompt continues a chain; fork where it does not.

    Turns are taken by start time (then prompt length, then span id), in whatever order they come. Each continues the
    longest chain that is a prefix of its prompt, or begins one; see `forest.grow`. Every response is trained once,
    in the chain that its turn continued: where a fork repeats it, it is context with mask 0 (unless
    `options.train_shared`). Tokens are never repaired. With `options.per_agent` each agent's turns are joined by
    themselves, agent after agent in the order of their first turns.

    Raises MixedRollouts if transitions come from more than one rollout.
    """
    options = options or Options()
    if len({(transition.rollout_id, transition.attempt) for transition in transitions}) > 1:
        raise MixedRollouts("transitions of several rollouts were given to merge: merge each rollout by itself")
    turns = sorted(transitions, key=_order)
    merged = Merged([], [], Counter())
    for own in _by_agent(turns) if options.per_agent else [turns]:
        _grow(own, options, merged)
    merged.rows = _one_each(merged.rows)
    return merged


def _grow(turns: Sequence[Transition], options: Options, merged: Merged) -> None:
    branches: dict[int | None, int] = {}
    for number, chain in enumerate(grow((turn.prompt_ids.tobytes(), turn.response_ids.tobytes()) for turn in turns)):
        branches[number] = len(merged.trajectories)
        chain.origin = replace(chain.origin, chain=branches.get(chain.origin.chain))
        if not _lay(chain, turns, options, merged):
            del branches[number]


def _by_agent(turns: Sequence[Transition]) -> Collection[list[Transition]]:
    found: dict[str | None, list[Transition]] = {}
    for turn in turns:
        found.setdefault(turn.agent, []).append(turn)
    return found.values()


def _one_each(rows: Sequence[SpanRow]) -> list[SpanRow]:
    by_span: dict[tuple[str, str], SpanRow] = {}
    for row in rows:
        held = by_span.setdefault((row.trace_id, row.span_id), row)
        if held.reason is not None and row.reason is None:
            by_span[row.trace_id, row.span_id] = row
    return list(by_span.values())


def _order(transition: Transition) -> tuple[int, int, str, str, int]:
    one = transition
    return one.start_ns, len(one.prompt_ids), one.span_id, one.trace_id, one.choice


def _lay(chain: Chain, turns: Sequence[Transition], options: Options, merged: Merged) -> bool:
    """Turn a chain into a trajectory, as far as the length limit lets it, and say what became of its turns.

    False when nothing of it is left.
    """
    whole = chain.steps[-1].end
    length = _length(chain, options)
    steps = [step for step in chain.steps if step.start < length]
    for step in chain.steps[len(steps) :]:
        merged.rows.append(drop(turns[step.turn], Reason.OVERLONG, f"the trajectory has {whole} tokens"))
    if not steps:
        return False
    branch = len(merged.trajectories)
    for step in steps:
        turn = turns[step.turn]
        details = (
            [_left(chain, turns, merged)] if step is steps[0] and chain.origin.kind is not OriginKind.FIRST else []
        )
        if step.end > length:
            details.append(f"cut at {length - step.start} of {step.end - step.start} tokens")
        merged.rows.append(SpanRow(turn.rollout_id, turn.trace_id, turn.span_id, None, ", ".join(details), branch))
    if options.train_shared:
        steps = [step for step in chain.shared if step.start < length] + steps
    trajectory = _trajectory(branch, steps, turns, length, chain)
    merged.trajectories.append(trajectory)
    merged.notes["cut"] += length < whole
    merged.notes["without_logprobs"] += trajectory.old_logps is None
    merged.notes["mixed_policies"] += "," in (trajectory.policy_version or "")
    return True


def _left(chain: Chain, turns: Sequence[Transition], merged: Merged) -> str:
    """How the chain began, and where it left another one: the first token that differs, and some before it."""
    origin, prompt = chain.origin, turns[chain.steps[0].turn].prompt_ids
    if origin.chain is None or origin.kind is OriginKind.RESAMPLED:
        return str(origin)
    other = merged.trajectories[origin.chain].input_ids
    before = " ".join(map(str, prompt[max(origin.at - _BEFORE, 0) : origin.at].tolist()))
    here, there = (str(ids[origin.at]) if origin.at < len(ids) else "nothing more" for ids in (prompt, other))
    after = f"after [{before}] comes" if origin.at else "it begins with"
    return f"{origin}: {after} {here} here, {there} there"


def _length(chain: Chain, options: Options) -> int:
    """How many of the chain's tokens stay."""
    whole, limit = chain.steps[-1].end, options.max_tokens
    if limit is None or whole <= limit:
        return whole
    match options.overlong:
        case Overlong.CUT:
            return limit
        case Overlong.TURNS:
            return max((step.end for step in chain.steps if step.end <= limit), default=0)
        case Overlong.DROP:
            return 0


def _trajectory(
    branch: int, steps: Sequence[Step], turns: Sequence[Transition], length: int, chain: Chain
) -> Trajectory:
    trained = tuple(turns[step.turn] for step in steps)
    last = turns[chain.steps[-1].turn]
    mask = np.zeros(length, np.uint8)
    turn_ids = np.full(length, -1, np.int32)
    logps = None if any(turn.logprobs is None for turn in trained) else np.zeros(length, np.float32)
    for place, step in enumerate(steps):
        mask[step.start : step.end] = 1
        turn_ids[step.start : step.end] = place
        logprobs = turns[step.turn].logprobs
        if logps is not None and logprobs is not None:
            logps[step.start : step.end] = logprobs[: max(length - step.start, 0)]
    return Trajectory(
        branch=branch,
        transitions=trained,
        input_ids=np.concatenate((last.prompt_ids, last.response_ids))[:length],
        loss_mask=mask,
        old_logps=logps,
        turn_ids=turn_ids,
        truncated=length < chain.steps[-1].end or any(turn.truncated for turn in trained),
        origin=chain.origin,
    )

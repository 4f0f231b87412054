"""Preference pairs: two rollouts of one task, one better rewarded, at the first turn where they differ.

The pair holds that turn alone: same messages before it, one reply on either side. So no tool output is ever trained,
and what came later counts through the reward.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from leyden_exporters.conversations import meaning, reply
from leyden_exporters.options import Options
from leyden_exporters.report import Reason, Report, SpanRow
from leyden_exporters.rewards import rollout_reward
from leyden_exporters.transitions import drop, select, unsaid
from leyden_store.turns import Message, Rollout, Turn


@dataclass(frozen=True, slots=True)
class Pair:
    """A preferred and a rejected reply to the same messages, from rollouts whose rewards differ."""

    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Any]]
    chosen: Message
    rejected: Message


@dataclass(frozen=True, slots=True)
class _Candidate:
    reward: float
    turns: Sequence[Turn]


def pairs(rollouts: Iterable[Rollout], options: Options, report: Report) -> Iterator[Pair]:
    """Pair the best rollout of a task with the worst, the second best with the second worst, and so on.

    A task is a group together with its first messages. Each rollout is in one pair at most, and none with its equal
    in reward. Needs all rollouts at once: rewards are compared within a task. Turns in no pair are `no_pair`.
    """
    tasks: dict[tuple[str, str], list[_Candidate]] = {}
    for rollout in rollouts:
        reward, source = rollout_reward(rollout, options)
        report.begin(rollout, source)
        selected, rows = select(rollout, options)
        report.add(rows)
        report.choices(rollout.turns)
        turns = [turn for turn in selected if unsaid(turn) is None]
        report.add(drop(turn, reason) for turn in selected if (reason := unsaid(turn)) is not None)
        if reward is None:
            report.add(drop(turn, Reason.NO_REWARD, str(source)) for turn in turns)
        elif turns:
            turns.sort(key=lambda turn: (turn.start_ns, len(turn.messages), turn.span_id, turn.trace_id))
            tasks.setdefault((rollout.group_id, _asked(turns[0])), []).append(_Candidate(reward, turns))
    for candidates in tasks.values():
        yield from _paired(candidates, report)


def _paired(candidates: Sequence[_Candidate], report: Report) -> Iterator[Pair]:
    ranked = sorted(candidates, key=lambda one: -one.reward)
    used: dict[int, int] = {}
    halves = zip(ranked, reversed(ranked), strict=True)
    for better, worse in takewhile(lambda two: two[0].reward > two[1].reward, halves):
        at = _parting(better.turns, worse.turns)
        if at is not None:
            chosen, rejected = better.turns[at], worse.turns[at]
            used |= {id(chosen): report.written, id(rejected): report.written}
            report.written += 1
            yield Pair(chosen.messages, chosen.tools, reply(chosen), reply(rejected))
    for candidate in candidates:
        report.add(_fate(turn, used.get(id(turn))) for turn in candidate.turns)


def _fate(turn: Turn, pair: int | None) -> SpanRow:
    if pair is None:
        return drop(turn, Reason.NO_PAIR)
    return SpanRow(turn.rollout_id, turn.trace_id, turn.span_id, None, f"pair {pair}")


def _parting(left: Sequence[Turn], right: Sequence[Turn]) -> int | None:
    """The first turn where two rollouts reply differently to the same messages; None when what they saw differs."""
    for at, (one, other) in enumerate(zip(left, right, strict=False)):
        if _asked(one) != _asked(other):
            return None
        if meaning(reply(one)) != meaning(reply(other)):
            return at
    return None


def _asked(turn: Turn) -> str:
    return json.dumps([list(turn.tools), [meaning(message) for message in turn.messages]], sort_keys=True)

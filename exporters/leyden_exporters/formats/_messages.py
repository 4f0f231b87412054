"""What the formats made of messages share: conversations in, one row each out, everything counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden_exporters.by_parcel import write_rows
from leyden_exporters.conversations import Conversation, conversations
from leyden_exporters.errors import OptionsInvalid
from leyden_exporters.options import Options
from leyden_exporters.report import Reason, Report
from leyden_exporters.rewards import rollout_reward
from leyden_exporters.rows import SUFFIXES
from leyden_exporters.transitions import drop
from leyden_store.turns import Rollout


class UnfitError(Exception):
    """A conversation that the format cannot say, raised by its row function; the text says what."""


Judge = Callable[[Rollout, float | None, Conversation], Mapping[str, Any]]
"""A conversation's row. Raises UnfitError where the format cannot say it."""


def write_conversations(
    rollouts: Iterable[Rollout],
    path: Path,
    options: Options,
    schema: pa.Schema,
    row: Callable[[Conversation], Mapping[str, Any]],
    suffixes: Collection[str] = SUFFIXES,
) -> Report:
    """Write one row per conversation; those that the row function finds unfit are dropped by that reason.

    row: a function of a module, as `by_parcel.RowsOf` has it

    Raises OptionsInvalid when asked for something only tokens can give.
    """
    return write_judged(rollouts, path, options, schema, partial(_of_conversation, row), suffixes)


def write_judged(
    rollouts: Iterable[Rollout],
    path: Path,
    options: Options,
    schema: pa.Schema,
    row: Judge,
    suffixes: Collection[str] = SUFFIXES,
) -> Report:
    """As `write_conversations`, for rows that tell the rollout and its reward too."""
    refuse_token_options(options)
    return write_rows(rollouts, path, options, schema, partial(_rows, row), suffixes)


def _of_conversation(
    row: Callable[[Conversation], Mapping[str, Any]], _: Rollout, __: float | None, conversation: Conversation
) -> Mapping[str, Any]:
    return row(conversation)


def _rows(row: Judge, rollout: Rollout, options: Options, report: Report) -> Iterator[Mapping[str, Any]]:
    reward, source = rollout_reward(rollout, options)
    report.begin(rollout, source)
    made, rows = conversations(rollout, options)
    report.add(rows)
    report.choices(rollout.turns)
    for conversation in made:
        try:
            yield row(rollout, reward, conversation)
        except UnfitError as unfit:
            report.add(drop(turn, Reason.UNFIT, str(unfit)) for turn in conversation.turns)
        else:
            _count(conversation, report)


def refuse_token_options(options: Options) -> None:
    """Raises OptionsInvalid when asked for something only tokens can give."""
    if options.max_tokens is not None or options.require_logprobs:
        raise OptionsInvalid("this format holds messages, not tokens: leave out max_tokens and require_logprobs")
    if options.per_turn is not None or options.per_agent:
        raise OptionsInvalid("this format holds messages, not tokens: leave out per_turn and per_agent")


def _count(conversation: Conversation, report: Report) -> None:
    turns = conversation.turns
    traces, spans = [turn.trace_id for turn in turns], [turn.span_id for turn in turns]
    report.spans.add_kept(turns[0].rollout_id, traces, spans, conversation.branch)
    report.written += 1
    report.origins[conversation.origin.kind] += 1
    assistant = [message.get("role") for message in conversation.messages].count("assistant")
    if assistant > len(conversation.replies):
        report.notes["repeated_replies"] += assistant - len(conversation.replies)

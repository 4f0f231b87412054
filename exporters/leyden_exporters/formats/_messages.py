"""What the formats made of messages share: conversations in, one row each out, everything counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from leyden_store.turns import Rollout

from leyden_exporters.conversations import Conversation, conversations
from leyden_exporters.errors import OptionsInvalid
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rewards import rollout_reward
from leyden_exporters.rows import SUFFIXES, new_rows


def write_conversations(
    rollouts: Iterable[Rollout],
    path: Path,
    options: Options,
    schema: pa.Schema,
    row: Callable[[Conversation], Mapping[str, Any]],
    suffixes: Collection[str] = SUFFIXES,
) -> Report:
    """Write one row per conversation.

    Raises OptionsInvalid when asked for something only tokens can give.
    """
    report = Report()
    with new_rows(path, schema, suffixes) as file:
        for _, _, conversation in read_conversations(rollouts, options, report):
            file.add(row(conversation))
            report.written += 1
    return report


def read_conversations(
    rollouts: Iterable[Rollout], options: Options, report: Report
) -> Iterator[tuple[Rollout, float | None, Conversation]]:
    """Every conversation with its rollout and reward; the report learns what became of each span.

    Raises OptionsInvalid when asked for something only tokens can give.
    """
    refuse_token_options(options)
    for rollout in rollouts:
        reward, source = rollout_reward(rollout, options)
        report.rollouts += 1
        report.rewards[source] += 1
        made, rows = conversations(rollout, options)
        report.add(rows)
        report.choices(rollout.turns)
        for conversation in made:
            assistant = sum(message.get("role") == "assistant" for message in conversation.messages)
            report.origins[conversation.origin.kind] += 1
            if assistant > len(conversation.replies):
                report.notes["untrainable_replies"] += assistant - len(conversation.replies)
            yield rollout, reward, conversation


def refuse_token_options(options: Options) -> None:
    """Raises OptionsInvalid when asked for something only tokens can give."""
    if options.max_tokens is not None or options.require_logprobs:
        raise OptionsInvalid("this format holds messages, not tokens: leave out max_tokens and require_logprobs")

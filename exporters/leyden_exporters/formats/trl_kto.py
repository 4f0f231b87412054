"""`trl-kto`: single replies judged good or bad, for TRL's KTOTrainer: `prompt`, `completion`, `label`, `tools`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from leyden_exporters.advantages import advantages
from leyden_exporters.conversations import reply
from leyden_exporters.formats._format import Format
from leyden_exporters.formats._messages import refuse_token_options
from leyden_exporters.formats.trl_sft import for_template, tools_text
from leyden_exporters.options import Advantage, Options
from leyden_exporters.report import Reason, Report, SpanRow
from leyden_exporters.rewards import rollout_reward
from leyden_exporters.rows import JSON, new_rows
from leyden_exporters.transitions import drop, select, unsaid
from leyden_store.turns import Rollout, Turn

_SCHEMA = pa.schema(
    [
        pa.field("prompt", pa.list_(JSON), nullable=False),
        pa.field("completion", pa.list_(JSON), nullable=False),
        pa.field("label", pa.bool_(), nullable=False),
        pa.field("tools", pa.string()),
    ]
)


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write one row per turn; the label says whether its rollout did better than the mean of its group.

    Rollouts without a group are judged against the mean of all such. One that is exactly at the mean says nothing and
    is `no_pair`. Holds all turns: the means are known at the end.
    """
    refuse_token_options(options)
    report, judged = Report(), list[tuple[str, float, list[Turn]]]()
    with new_rows(path, _SCHEMA) as file:
        for rollout in rollouts:
            turns, reward = _turns(rollout, options, report)
            if reward is not None:
                judged.append((rollout.group_id, reward, turns))
        # A name for those without a group, so that they share a baseline here.
        groups = [f"group {group}" if group else "none" for group, _, _ in judged]
        margins, notes = advantages([reward for _, reward, _ in judged], groups, Advantage.DR_GRPO)
        report.notes.update(notes)
        for (_, _, turns), margin in zip(judged, margins, strict=True):
            for turn in turns:
                if not margin:
                    report.add([drop(turn, Reason.NO_PAIR, "its reward is its group's mean")])
                    continue
                file.add(
                    {
                        "prompt": [for_template(message) for message in turn.messages],
                        "completion": [for_template(reply(turn))],
                        "label": margin > 0,
                        "tools": tools_text(turn.tools),
                    }
                )
                report.add([SpanRow(turn.rollout_id, turn.trace_id, turn.span_id)])
                report.written += 1
    return report


def _turns(rollout: Rollout, options: Options, report: Report) -> tuple[list[Turn], float | None]:
    reward, source = rollout_reward(rollout, options)
    report.begin(rollout, source)
    report.choices(rollout.turns)
    selected, rows = select(rollout, options)
    report.add(rows)
    turns = []
    for turn in selected:
        reason = unsaid(turn)
        if reason is not None:
            report.add([drop(turn, reason)])
        elif reward is None:
            report.add([drop(turn, Reason.NO_REWARD, str(source))])
        else:
            turns.append(turn)
    return turns, reward


FORMAT = Format("trl-kto", "single replies with a good-or-bad label for TRL's KTOTrainer", write)

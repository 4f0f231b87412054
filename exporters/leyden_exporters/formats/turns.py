"""`turns`: every turn as the store reads it, one row each, failed ones included; for analysis rather than training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden_exporters.by_parcel import write_rows
from leyden_exporters.choosing import superseded, unwanted
from leyden_exporters.formats._format import Format
from leyden_exporters.options import Options
from leyden_exporters.report import Report, SpanRow
from leyden_exporters.rows import JSON
from leyden_exporters.transitions import drop, unread
from leyden_store.turns import Rollout

_SCHEMA = pa.schema(
    [
        pa.field("trace_id", pa.string(), nullable=False),
        pa.field("span_id", pa.string(), nullable=False),
        pa.field("parent_span_id", pa.string(), nullable=False),
        pa.field("rollout_id", pa.string(), nullable=False),
        pa.field("group_id", pa.string(), nullable=False),
        pa.field("attempt", pa.int32()),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("turn_index", pa.int32(), nullable=False),
        pa.field("agent", pa.string()),
        pa.field("dialect", pa.string(), nullable=False),
        pa.field("provider", pa.string()),
        pa.field("model", pa.string()),
        pa.field("messages", pa.list_(JSON), nullable=False),
        pa.field("response", JSON),
        pa.field("tools", pa.list_(JSON), nullable=False),
        pa.field("finish_reason", pa.string()),
        pa.field("usage", JSON, nullable=False),
        pa.field("cost", pa.float64()),
        pa.field("params", JSON, nullable=False),
        pa.field("start_ns", pa.uint64(), nullable=False),
        pa.field("end_ns", pa.uint64(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("rewards", JSON, nullable=False),
        pa.field("policy_version", pa.string()),
        pa.field("prompt_token_ids", pa.list_(pa.int64())),
        pa.field("response_token_ids", pa.list_(pa.int64())),
        pa.field("response_logprobs", pa.list_(pa.float64())),
        pa.field("response_id", pa.string()),
        pa.field("choices", pa.list_(JSON), nullable=False),
        pa.field("error", pa.string()),
        pa.field("dropped_attributes", pa.int64(), nullable=False),
        pa.field("notes", pa.list_(pa.string()), nullable=False),
        pa.field("depth", pa.int32(), nullable=False),
    ]
)


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write turns with the keys of `leyden turns --json`, as `.jsonl`, `.parquet` or a folder.

    Only what chooses by agent, tool, attempt and policy version applies; what could not be trained on is of interest.
    """
    return write_rows(rollouts, path, options, _SCHEMA, _rows)


def _rows(rollout: Rollout, options: Options, report: Report) -> Iterator[dict[str, Any]]:
    report.begin(rollout)
    report.add(unread(span) for span in rollout.dropped)
    retried = superseded(rollout, options)
    for turn in rollout.turns:
        refused = retried(turn) or unwanted(turn, options)
        if refused is not None:
            report.add([drop(turn, *refused)])
            continue
        report.add([SpanRow(turn.rollout_id, turn.trace_id, turn.span_id)])
        report.written += 1
        yield turn.to_json()


FORMAT = Format("turns", "every LLM call with messages, usage, parameters and token ids; one row per turn", write)

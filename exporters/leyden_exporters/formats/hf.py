"""`hf`: a folder ready for the Hugging Face Hub: conversations with their rollout and reward, and a dataset card."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from leyden_exporters.conversations import Conversation
from leyden_exporters.errors import PathUnwritable
from leyden_exporters.files import new_folder
from leyden_exporters.formats import trl_sft
from leyden_exporters.formats._format import Format
from leyden_exporters.formats._messages import write_judged
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_exporters.rows import JSON
from leyden_store.turns import Rollout

_SCHEMA = pa.schema(
    [
        pa.field("messages", pa.list_(JSON), nullable=False),
        pa.field("tools", pa.string()),
        pa.field("replies", pa.list_(pa.int32()), nullable=False),
        pa.field("reward", pa.float64()),
        pa.field("rollout_id", pa.string(), nullable=False),
        pa.field("group_id", pa.string(), nullable=False),
        pa.field("branch", pa.int32(), nullable=False),
        pa.field("span_ids", pa.list_(pa.string()), nullable=False),
    ]
)

_CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: train.parquet
tags:
- agents
- opentelemetry
---

# Agent conversations

Recorded by [Leyden](https://github.com/leyden-dev/leyden) from OpenTelemetry spans. One row per conversation; a
rollout whose turns fork has several. `replies` are the places in `messages` of the replies that belong to the row;
other assistant messages are context. `messages` and `tools` are as TRL's SFTTrainer reads them.

Selected by: {selection}

```text
{report}
```

SHA-256 of `train.parquet`: `{digest}`
"""


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write a folder that `datasets.load_dataset` opens: `train.parquet` and a card that says what was left out."""
    if path.suffix:
        raise PathUnwritable(f"cannot write {path}: hf makes a folder, give a name without a suffix")
    with new_folder(path) as folder:
        data = folder / "train.parquet"
        report = write_rows(rollouts, data, options)
        digest = hashlib.sha256(data.read_bytes()).hexdigest()
        card = _CARD.format(selection=options.selection or "everything", report=report.to_text(), digest=digest)
        (folder / "README.md").write_text(card, encoding="utf-8")
    return report


def write_rows(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write the rows alone, as `.parquet` or `.jsonl`."""
    return write_judged(rollouts, path, options, _SCHEMA, _row)


def _row(rollout: Rollout, reward: float | None, conversation: Conversation) -> dict[str, Any]:
    return trl_sft.row(conversation) | {
        "replies": list(conversation.replies),
        "reward": reward,
        "rollout_id": rollout.rollout_id,
        "group_id": rollout.group_id,
        "branch": conversation.branch,
        "span_ids": [turn.span_id for turn in conversation.turns],
    }


FORMAT = Format(
    "hf",
    "a folder for the Hugging Face Hub, with a dataset card",
    write,
    ("", ".parquet", ".jsonl"),
    write_rows,
    supervised=True,
)

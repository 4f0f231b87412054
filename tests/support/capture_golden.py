"""The golden cases of the dialects: folders of a capture and the turns a person found right.

    python -m tests.support.capture_golden [CASE…]

writes `turns.json` anew in each; what changed is then for a person to read.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from leyden_store.dialects.genai_events import join_logs
from leyden_store.otlp import decode_logs, decode_traces, json_to_protobuf
from leyden_store.reading import read_rollouts
from leyden_store.spans import Span
from leyden_store.turns import Rollout

CASES = Path(__file__).parents[1] / "store" / "dialects" / "cases"


def case_spans(folder: Path) -> list[Span]:
    """A case's spans: captured (`input.pb`) or written by hand (`input.json`), with its log records (`logs.pb`)."""
    by_hand, logs = folder / "input.json", folder / "logs.pb"
    body = json_to_protobuf(by_hand.read_bytes()) if by_hand.exists() else (folder / "input.pb").read_bytes()
    spans = decode_traces(body)
    return join_logs(spans, decode_logs(logs.read_bytes())) if logs.exists() else spans


def read_case(folder: Path) -> list[Rollout]:
    """Read a case's rollouts."""
    return read_rollouts(case_spans(folder))


def as_json(rollouts: list[Rollout]) -> dict[str, Any]:
    """What `turns.json` holds: every turn and every drop, as JSON values."""
    shown = {
        "turns": [turn.to_json() for rollout in rollouts for turn in rollout.turns],
        "dropped": [
            {"span_id": drop.span_id, "reason": drop.reason, "detail": drop.detail}
            for rollout in rollouts
            for drop in rollout.dropped
        ],
        "rewards": [{"name": r.name, "value": r.value} for rollout in rollouts for r in rollout.rewards],
    }
    return json.loads(json.dumps(shown))  # type: ignore[no-any-return]


if __name__ == "__main__":
    for case in sorted(CASES.iterdir()):
        if not sys.argv[1:] or case.name in sys.argv[1:]:
            text = json.dumps(as_json(read_case(case)), indent=1, ensure_ascii=False)
            (case / "turns.json").write_text(text + "\n")

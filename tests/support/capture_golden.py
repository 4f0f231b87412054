"""The golden cases of the dialects: folders of a capture and the turns a person found right.

    python -m tests.support.capture_golden [CASE…]

writes `turns.json` anew beside each `input.pb`; what changed is then for a person to read.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from leyden_store.dialects.genai_events import join_logs
from leyden_store.otlp import decode_logs, decode_traces
from leyden_store.reading import read_rollouts
from leyden_store.turns import Rollout

CASES = Path(__file__).parents[1] / "store" / "dialects" / "cases"


def read_case(folder: Path) -> list[Rollout]:
    """Read a case's spans, with its log records (`logs.pb`) where it has any."""
    spans = decode_traces((folder / "input.pb").read_bytes())
    logs = folder / "logs.pb"
    return read_rollouts(join_logs(spans, decode_logs(logs.read_bytes())) if logs.exists() else spans)


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

"""What processors cost a span, and what they leave of a collector's speed.

    python benchmarks/bench_processors.py [--spans N]

One process, one core: encoded requests of agent traces through each processor alone, microseconds a span, the best of
five rounds. `parse` is what the collector does with every request anyway.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.ingest.spans import make_load
from leyden_collector.intake import checked
from leyden_collector.processors import Pipeline
from leyden_collector.processors.config import make
from leyden_collector.settings import Settings

_ROUNDS = 5
_SPANS_A_REQUEST = 100
_SECRET = b"final price"
"""Words of the load, which a secret of the same length takes the place of."""

_TABLES: dict[str, list[dict[str, Any]]] = {
    "redact keys": [{"type": "redact", "builtin": ["keys"]}],
    "redact keys, emails": [{"type": "redact", "builtin": ["keys", "emails"]}],
    "redact keys, emails, cards": [{"type": "redact", "builtin": ["keys", "emails", "cards"]}],
    "redact one pattern of one's own": [{"type": "redact", "patterns": {"ticket": r"TICKET-\d{6}"}}],
    "drop by name": [{"type": "drop", "when": [{"field": "name", "equals": "GET /health"}]}],
    "drop by attribute": [{"type": "drop", "when": [{"field": "span.http.route", "equals": "/health"}]}],
    "truncate": [{"type": "truncate", "attributes": ["gen_ai.*.messages"], "max_chars": 10_000}],
    "hash": [{"type": "hash", "attributes": ["gen_ai.response.id"], "key": "a key of the benchmark"}],
    "sample all": [{"type": "sample", "probability": 1.0}],
    "sample a tenth": [{"type": "sample", "probability": 0.1}],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--spans", type=int, default=5000)
    spans = parser.parse_args().spans
    load = make_load(spans // _SPANS_A_REQUEST, _SPANS_A_REQUEST)
    print(f"{load.spans} spans of {load.bytes / load.spans:,.0f} bytes, {_SPANS_A_REQUEST} a request\n")
    print(f"{'µs a span':<36}{'no secret':>12}{'secrets':>12}")
    laden = [body.replace(_SECRET, b"jd@mail.com") for body in load.bodies]
    assert laden != load.bodies
    print(f"{'parse':<36}{_cost(checked, load.bodies, load.spans):>12.1f}")
    for name, tables in _TABLES.items():
        pipeline = Pipeline(make(Settings.load(given={"processors": tables}).processors))
        plain = _cost(pipeline.traces, load.bodies, load.spans)
        with_secrets = _cost(pipeline.traces, laden, load.spans)
        print(f"{name:<36}{plain:>12.1f}{with_secrets:>12.1f}", flush=True)


def _cost(process: Callable[[bytes], object], bodies: Sequence[bytes], spans: int) -> float:
    """Microseconds a span, the best of some rounds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.process_time()
        for body in bodies:
            process(body)
        best = min(best, time.process_time() - began)
    return best / spans * 1e6


if __name__ == "__main__":
    main()

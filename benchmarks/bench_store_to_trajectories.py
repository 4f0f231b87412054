"""How fast a store's spans become trajectories, and in how much memory.

    python benchmarks/bench_store_to_trajectories.py [--rollouts 12500] [--turns 8] [--prompt 1000] [--read] [--json]

Rollouts are made in an embedded store on disk by SQL: conversations of `--turns` calls whose prompts average
`--prompt` tokens, with ids, logprobs, messages of four letters a token, and a reward. Then a process of its own opens
the store and goes from the query to finished record batches, advantages included, waiting batches on disk, nothing
kept. `--read` does the same by reading every message, for comparison. Turns a second by the wall clock and by processor
time; memory is that process's peak, of which `memory_before` is taken by the engine before the first rollout.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_ROLLOUTS_AT_ONCE = 1000

# The token at place i of rollout r is a hash of both, so that every prompt begins with all that came before.
_CALLS = """
INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ScopeName, Duration, StatusCode,
    SpanAttributes, SpanAttributeTypes, RolloutId, GroupId, PolicyVersion, Operation, Model,
    PromptTokenIds, ResponseTokenIds, ResponseLogprobs, Content)
WITH
    number % {turns:UInt32} AS turn, intDiv(number, {turns:UInt32}) AS r, {step:UInt32} AS step,
    step * (turn + 1) AS prompt_length, intDiv(step, 4) AS response_length,
    i -> toInt32(cityHash64(r, i) % 150000) AS token
SELECT
    fromUnixTimestamp64Nano(toInt64(1700000000000000000 + r * 1000000000 + turn * 1000000)),
    lower(hex(cityHash64(r, 'x'))) || leftPad(lower(hex(r)), 16, '0'),
    leftPad(lower(hex(r * 100 + turn + 1)), 16, '0'), leftPad(lower(hex(r * 100)), 16, '0'),
    'chat small', 'Client', 'opentelemetry.instrumentation.genai.openai', 900000, 'Unset',
    map('gen_ai.operation.name', 'chat', 'gen_ai.request.model', 'small',
        'gen_ai.response.id', 'reply-' || toString(number), 'gen_ai.response.finish_reasons', '["stop"]',
        'gen_ai.usage.output_tokens', toString(response_length)),
    map('gen_ai.response.finish_reasons', 'array_value', 'gen_ai.usage.output_tokens', 'int_value'),
    'rollout-' || toString(r), 'task-' || toString(intDiv(r, 8)), '1', 'chat', 'small',
    arrayMap(token, range(prompt_length)), arrayMap(token, range(prompt_length, prompt_length + response_length)),
    arrayMap(i -> -toFloat64(cityHash64(i) % 1000) / 100, range(response_length)),
    map('gen_ai.input.messages',
        '[{"role":"user","parts":[{"type":"text","content":"' || repeat('word', prompt_length) || '"}]}]',
        'gen_ai.output.messages',
        '[{"role":"assistant","parts":[{"type":"text","content":"' || repeat('word', response_length)
            || '"}],"finish_reason":"stop"}]')
FROM numbers({first:UInt64} * {turns:UInt32}, {rollouts:UInt64} * {turns:UInt32})
"""
_ROOTS = """
INSERT INTO otel_traces (Timestamp, TraceId, SpanId, SpanName, ScopeName, Duration, StatusCode, SpanAttributes,
    RolloutId, GroupId, `Events.Timestamp`, `Events.Name`, `Events.Attributes`, EventAttributeTypes)
WITH number AS r, fromUnixTimestamp64Nano(toInt64(1700000000000000000 + r * 1000000000)) AS start
SELECT start, lower(hex(cityHash64(r, 'x'))) || leftPad(lower(hex(r)), 16, '0'), leftPad(lower(hex(r * 100)), 16, '0'),
    'agent', 'agent', 900000000, 'Ok', map('gen_ai.agent.name', 'worker'), 'rollout-' || toString(r),
    'task-' || toString(intDiv(r, 8)), [start], ['gen_ai.evaluation.result'],
    [map('gen_ai.evaluation.name', 'reward', 'gen_ai.evaluation.score.value', toString((r % 8) / 8.0))],
    [map('gen_ai.evaluation.score.value', 'double_value')]
FROM numbers({first:UInt64}, {rollouts:UInt64})
"""


def main() -> None:
    """Print one line per measurement, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=12500, help="fewer measure the start more than the way")
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--prompt", type=int, default=1000, help="mean prompt length in tokens")
    parser.add_argument("--read", action="store_true", help="read every message, for comparison")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", metavar="DSN", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure, read=args.read)))
        return
    with tempfile.TemporaryDirectory() as folder:
        dsn = f"chdb://{folder}/store"
        fill(dsn, args)
        child = [sys.executable, __file__, "--measure", dsn, *(["--read"] if args.read else [])]
        figures = json.loads(subprocess.run(child, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    if args.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<26}{value:>16,}")


def fill(dsn: str, args: argparse.Namespace) -> None:
    """Make the rollouts, a piece at a time."""
    from leyden_store.lightning import LightningStore

    step = max(2 * args.prompt // (args.turns + 1), 8)
    with LightningStore.open(dsn) as store:
        for first in range(0, args.rollouts, _ROLLOUTS_AT_ONCE):
            piece = {"first": first, "rollouts": min(_ROLLOUTS_AT_ONCE, args.rollouts - first)}
            store.connection.command(_CALLS, {**piece, "turns": args.turns, "step": step})
            store.connection.command(_ROOTS, piece)


def measure(dsn: str, *, read: bool) -> dict[str, Any]:
    """Turns a second from the query to the last record batch, and the memory it took."""
    from leyden_exporters.build import Builder
    from leyden_exporters.options import Options
    from leyden_exporters.skimmable import StoreSource
    from leyden_exporters.spill import scored_batches
    from leyden_store.lightning import LightningStore

    with LightningStore.open(dsn) as store, tempfile.TemporaryDirectory() as folder:
        before = peak_mb()
        source = StoreSource(store)
        builder = Builder(Options())
        start, worked = time.perf_counter(), time.process_time()
        rows = 0
        for batch in scored_batches(builder, iter(source) if read else source, Path(folder)):
            rows += batch.num_rows
        seconds, worked = time.perf_counter() - start, time.process_time() - worked
    report = builder.report
    if report.kept != report.llm_spans or rows != report.rollouts:
        sys.exit(f"not every turn was kept in one row a rollout: {report.to_json()}")
    return {
        "turns": report.llm_spans,
        "tokens": report.tokens,
        "turns_per_s": round(report.llm_spans / seconds),
        "turns_per_processor_s": round(report.llm_spans / worked),
        "memory_before_mb": before,
        "memory_peak_mb": peak_mb(),
    }


def peak_mb() -> int:
    """The most memory this process has held; `getrusage` would count its parent's too, from before the exec."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


if __name__ == "__main__":
    main()

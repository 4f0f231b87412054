"""How fast a snapshot is made of stored turns, and in how much memory.

    python benchmarks/bench_datasets.py [--turns 100000] [--per-rollout 8] [--format trl-sft] [--json]

The spans are made here, OTLP in, one root and so many LLM calls a rollout; each call carries the conversation so far,
as agents send it, in OpenTelemetry's GenAI attributes. Timed is `leyden export` to a folder in a process of its own,
from opening the store to the snapshot being whole and registered; memory is the peak of that process's resident set and
its children's, added up from outside 20 times a second. `write` is the share of the exporters alone: some of the
rollouts, read before, written once more.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from random import Random

from leyden.ingesting import ingest
from leyden_exporters.formats import format_named
from leyden_exporters.options import Options
from leyden_store.lightning import LightningStore
from leyden_store.otlp import encode_traces
from leyden_store.spans import Span

_START_NS = 1_790_000_000 * 10**9
_WORDS = ("the", "agent", "reads", "a", "page", "then", "writes", "down", "what", "it", "found", "for", "later", "use")


def main() -> None:
    """Print one line per measurement, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=100_000)
    parser.add_argument("--per-rollout", type=int, default=8)
    parser.add_argument("--format", default="trl-sft")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", nargs=2, metavar=("STORE", "OUT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        _measure(args.measure[0], args.measure[1], args.format)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        _fill(path, args.turns, args.per_rollout)
        command = [
            sys.executable,
            __file__,
            "--format",
            args.format,
            "--measure",
            str(path / "store"),
            str(path / "out"),
        ]
        figures = _watched(command)
    if args.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<28}{value:>14,}")


def _measure(store_folder: str, out: str, form: str) -> None:
    from leyden.exporting import export

    began, worked = time.perf_counter(), _processor_time()
    with LightningStore.open(f"chdb://{store_folder}") as store:
        made = export(store, store.select(), form=form, out=out, options=Options())
        took, worked = time.perf_counter() - began, _processor_time() - worked
        print("exported", flush=True)
        kept = list(islice(store.rollouts(), 500))
    turns = sum(len(rollout.turns) for rollout in kept)
    began = time.perf_counter()
    format_named(form).write(iter(kept), Path(out).with_name("again.jsonl"), Options())
    writing = time.perf_counter() - began
    all_turns = made.report["llm_spans"]
    figures = {
        "turns": all_turns,
        "rows": made.rows,
        "seconds": round(took, 2),
        "turns_per_s": round(all_turns / took),
        "turns_per_processor_s": round(all_turns / worked),
        "write_turns_per_s": round(turns / writing),
        "bytes": sum(file.stat().st_size for file in Path(out).iterdir()),
    }
    print(json.dumps(figures))


def _watched(command: list[str]) -> dict[str, float]:
    """The figures that the command prints after its export, and the most memory it had until then."""
    peak, over = [0], threading.Event()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        watch = threading.Thread(target=_watch_memory, args=(process.pid, peak, over))
        watch.start()
        process.stdout.readline()
        over.set()
        watch.join()
        told = process.stdout.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {**json.loads(told), "peak_memory_mb": round(peak[0] / 1024)}


def _watch_memory(pid: int, peak: list[int], over: threading.Event) -> None:
    """The most KiB that a process and its children held together. A child's own peak would count its parent's."""
    while not over.wait(0.05):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()  # those of its first thread, which starts them
        peak[0] = max(peak[0], sum(map(_resident, [str(pid), *children.split()])))


def _resident(pid: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def _processor_time() -> float:
    """Seconds of processor time, of this process and of those it started and saw end."""
    return sum(os.times()[:4])


def _fill(folder: Path, turns: int, per_rollout: int) -> None:
    spans = _spans(turns, per_rollout)
    with LightningStore.open(f"chdb://{folder}/store") as store:
        number = 0
        while piece := list(islice(spans, 8192)):
            file = folder / f"{number}.pb"
            file.write_bytes(encode_traces(piece))
            ingest(store, [file])
            file.unlink()
            number += 1


def _spans(turns: int, per_rollout: int) -> Iterator[Span]:
    random = Random(0)
    for rollout in range(-(-turns // per_rollout)):
        # As in life, which trace lies beside which says nothing of their times.
        start, trace = _START_NS + rollout * 10**7, hashlib.sha256(str(rollout).encode()).hexdigest()[:32]
        named = {"rollout_id": f"r{rollout}", "group_id": f"g{rollout // 8}"}
        yield Span(
            trace, f"{1:016x}", "agent", start, start + 10**7, service="bench", resource=_resource(named), **named
        )
        messages = [_message("user", random)]
        for call in range(min(per_rollout, turns - rollout * per_rollout)):
            reply = _message("assistant", random)
            attributes = {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "m",
                "gen_ai.input.messages": json.dumps(messages),
                "gen_ai.output.messages": json.dumps([{**reply, "finish_reason": "stop"}]),
                "gen_ai.usage.input_tokens": 100 * (call + 1),
                "gen_ai.usage.output_tokens": 40,
            }
            at = start + (call + 1) * 10**6
            yield Span(
                trace, f"{call + 2:016x}", "chat m", at, at + 10**6, f"{1:016x}", service="bench", status="Ok",
                scope_name="opentelemetry.instrumentation.genai.openai",
                attributes=attributes, resource=_resource(named), **named,
            )  # fmt: skip
            messages = [*messages, reply, _message("user", random)]


def _resource(named: dict[str, str]) -> dict[str, str]:
    return {"service.name": "bench", "leyden.rollout.id": named["rollout_id"], "leyden.group.id": named["group_id"]}


def _message(role: str, random: Random) -> dict[str, object]:
    return {"role": role, "parts": [{"type": "text", "content": " ".join(random.choices(_WORDS, k=40))}]}


if __name__ == "__main__":
    main()

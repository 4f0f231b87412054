"""What capture adds to one call of a model, beside OpenTelemetry's own instrumentation of the openai client alone.

    python benchmarks/bench_capture.py [--rounds N] [--json]

Each arm is a process of its own with a real openai client, whose transport answers at once from memory. The arms take
turns of some calls each, in one run, and what a call takes without any instrumentation is subtracted. Spans go to a
sink on 127.0.0.1, which reads and forgets them. `genai` is opentelemetry-instrumentation-genai-openai under the stock
SDK with its defaults and content on; the others are the same program under Leyden's environment variables alone. All
but `hosted model` call a server on a private address, which is told by headers what a call is part of, and in the end
is asked for token ids: a longer reply, which the program has to parse.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from leyden_instrumentation import environment

CALLS = 5
"""Calls in a turn of one arm."""

ARMS: dict[str, dict[str, str]] = {
    "none": {},
    "genai": {},
    "leyden, hosted model": {"OPENAI_BASE_URL": "https://api.example.com/v1"},
    "leyden, no token ids": {"LEYDEN_TOKEN_IDS": "off"},
    "leyden, default": {},
    "leyden, traceloop": {"LEYDEN_OPENAI_INSTRUMENTATION": "traceloop"},
}
CONVERSATIONS = {"short": (2, 200, 40), "long": (40, 800, 40), "short, much said": (4, 200, 400)}
"""Messages, characters in each, and tokens in the reply."""


class Sink:
    """Takes OTLP and forgets it."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()


class Arm:
    """A worker process; `take` has it make some calls and returns the seconds of each."""

    def __init__(self, name: str, url: str) -> None:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LEYDEN_", "PYTHONPATH"))}
        env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OPENAI_API_KEY": "none", "PYTHONHASHSEED": "0"}
        env |= {"OPENAI_BASE_URL": "http://localhost/v1"} | ARMS[name]
        if name.startswith("leyden"):
            env = environment(env, endpoint=url, rollout_id="bench")
        command = [sys.executable, __file__, "--worker", "genai" if name == "genai" else "plain"]
        self._process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def take(self, kind: str, calls: int = CALLS) -> list[list[float]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([kind, calls]), file=self._process.stdin, flush=True)
        found: list[list[float]] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def worker(instrument: bool) -> int:
    import httpx2
    from openai import OpenAI

    if instrument:
        _stock()

    # Written once: what a server does to answer is no cost of the client's.
    bodies = {
        (count, asked): _body(count * length // 4, said, asked)
        for count, length, said in CONVERSATIONS.values()
        for asked in (False, True)
    }

    def reply(request: httpx2.Request) -> httpx2.Response:
        count = request.content.count(b'"role"')
        body = bodies[count, b'"return_token_ids"' in request.content]
        return httpx2.Response(200, content=body, headers={"content-type": "application/json"})

    client = OpenAI(http_client=httpx2.Client(transport=httpx2.MockTransport(reply)))
    for line in sys.stdin:
        kind, calls = json.loads(line)
        count, length, _ = CONVERSATIONS[kind]
        messages: Any = [
            {"role": ("user", "assistant")[i % 2], "content": "text " * (length // 5)} for i in range(count)
        ]
        taken = []
        for _ in range(calls):
            start, begun = time.perf_counter(), time.thread_time()
            client.chat.completions.create(model="m", messages=messages)
            taken.append((time.perf_counter() - start, time.thread_time() - begun))
        print(json.dumps(taken), flush=True)
    return 0


def _body(prompt: int, said: int, asked: bool) -> bytes:
    """A reply of so many tokens to a prompt of so many as vLLM writes it, with ids and logprobs where asked for."""
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": "word " * said}}
    token = {"token": "word", "logprob": -0.515625, "bytes": list(b"word"), "top_logprobs": []}
    choice |= {"logprobs": {"content": [token] * said} if asked else None, "finish_reason": "stop"}
    choice |= {"stop_reason": None, "token_ids": list(range(1000, 1000 + said)) if asked else None}
    usage = {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    ids = {"prompt_token_ids": list(range(1000, 1000 + prompt)) if asked else None}
    return json.dumps(head | {"usage": usage} | ids, separators=(",", ":")).encode()


def _stock() -> None:
    """OpenTelemetry's instrumentation and SDK as their documentation sets them up."""
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY"
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    OpenAIInstrumentor().instrument()


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Milliseconds that each arm adds to a call, by conversation: of the clock, and of its thread's CPU.

    The median over rounds, without the first, of an arm's median call less that of the bare client in the same round:
    what else the machine does falls on both. Less of it falls on CPU time.
    """
    sink = Sink()
    arms = {name: Arm(name, sink.url) for name in ARMS}
    added: dict[str, dict[str, list[float]]] = {}
    for kind in CONVERSATIONS:
        taken = [{name: arm.take(kind) for name, arm in arms.items()} for _ in range(rounds + 1)][1:]
        middle = [
            {name: [statistics.median(call[i] for call in calls) for i in (0, 1)] for name, calls in one.items()}
            for one in taken
        ]
        added[kind] = {
            name: [1000 * statistics.median(one[name][i] - one["none"][i] for one in middle) for i in (0, 1)]
            for name in ARMS
            if name != "none"
        }
        added[kind]["(a call without any)"] = [
            1000 * statistics.median(one["none"][i] for one in middle) for i in (0, 1)
        ]
    for arm in arms.values():
        arm.close()
    return added


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=80)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", choices=["plain", "genai"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return worker(args.worker == "genai")
    added = measure(args.rounds)
    if args.json:
        print(json.dumps(added))
        return 0
    for kind, arms in added.items():
        count, length, said = CONVERSATIONS[kind]
        print(f"{kind}: {count} messages of {length} characters, {said} tokens said; ms added to a call, × genai alone")
        for name, measured in arms.items():
            cells = [f"{what} {value:7.3f}" for what, value in zip(("clock", "CPU"), measured, strict=True)]
            if name.startswith("leyden"):
                cells = [f"{c} {v / g:5.2f} ×" for c, v, g in zip(cells, measured, arms["genai"], strict=True)]
            print(f"  {name:26} {'   '.join(cells)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

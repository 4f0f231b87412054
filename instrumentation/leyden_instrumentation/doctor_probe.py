"""What an OpenAI instrumentation really emits: it is loaded in a process of its own and made to record two calls.

python -m leyden_instrumentation.doctor_probe DISTRIBUTION URL      # the child; its last line is JSON
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leyden_instrumentation.launch import without_bootstrap

_TIME_LIMIT = 12.0
"""Seconds; loading openai takes one or two where nothing else runs."""

_IN_THE_WAY = ("OTEL_SDK_DISABLED", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "LEYDEN_ROLLOUT_ID")


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of one instrumentation, under the user's settings and the distro's defaults.

    spans: LLM spans seen, of two calls made
    error: why it did not load, or what it said while it recorded nothing
    """

    distribution: str
    version: str
    chosen: bool = False
    spans: int = 0
    content: bool = False
    token_ids: bool = False
    logprobs: bool = False
    tool_calls: bool = False
    error: str | None = None


def probe(distribution: str, version: str, url: str, env: Mapping[str, str], *, chosen: bool) -> Probe:
    """Run the child against the echo server at `url`."""
    child = {k: v for k, v in env.items() if k not in _IN_THE_WAY}
    child["PYTHONPATH"] = without_bootstrap(env.get("PYTHONPATH", ""))
    child["NO_PROXY"] = child["no_proxy"] = "127.0.0.1"
    command = [sys.executable, "-P", "-m", "leyden_instrumentation.doctor_probe", distribution, url]
    try:
        done = subprocess.run(command, env=child, capture_output=True, text=True, timeout=_TIME_LIMIT, check=False)
        seen = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        seen = {"error": f"it did not finish within {_TIME_LIMIT:.0f} s"}
    except (IndexError, ValueError):
        seen = {"error": (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]}
    return Probe(distribution, version, chosen, **seen)


def main(argv: list[str]) -> int:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    from leyden_instrumentation import distro
    from leyden_instrumentation.stamping import StampingProcessor

    distribution, url = argv
    said = _Listener()
    logging.getLogger().addHandler(said)
    distro.set_defaults()
    memory = InMemorySpanExporter()
    provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(StampingProcessor())
    provider.add_span_processor(SimpleSpanProcessor(memory))
    trace.set_tracer_provider(provider)
    error = None
    try:
        _instrument(distribution)
        _converse(url)
    except Exception as failure:
        error = f"{type(failure).__name__}: {' '.join(str(failure).split())[:300]}"
    seen = _seen(memory.get_finished_spans())
    print(json.dumps(seen | {"error": error or (None if seen["spans"] else said.first)}))
    return 0


class _Listener(logging.Handler):
    """Keeps the first warning."""

    first: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING and self.first is None:
            self.first = " ".join(record.getMessage().split())[:300]


def _instrument(distribution: str) -> None:
    from leyden_instrumentation import client_hooks, openai_genai
    from leyden_instrumentation.doctor_packages import instrumentations
    from leyden_instrumentation.libraries import OPENAI

    client_hooks.install()
    for one in instrumentations():
        if one.distribution == distribution and one.entry_point.name == "openai":
            if one.conflict is not None:
                raise RuntimeError(one.conflict)
            one.entry_point.load()().instrument(skip_dep_check=True)
            if distribution == OPENAI.choices["genai"]:
                openai_genai.complete()


def _converse(url: str) -> None:
    from openai import OpenAI

    from leyden_instrumentation.doctor_echo import QUESTION, TOOL

    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    definition: Any = {"type": "function", "function": {"name": TOOL, "parameters": schema}}
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    client = OpenAI(base_url=url, api_key="none", max_retries=0, timeout=5)
    for _ in range(2):
        reply = client.chat.completions.create(model="leyden-doctor", messages=messages, tools=[definition])
        message = reply.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        messages += [
            {"role": "tool", "tool_call_id": call.id, "content": "leyden-doctor-result"}
            for call in message.tool_calls or ()
        ]


def _seen(spans: Any) -> dict[str, Any]:
    from leyden_instrumentation import doctor_echo
    from leyden_instrumentation.spans import is_llm

    calls = [s for s in spans if is_llm(s)]
    first = _text(calls[0]) if calls else ""
    everything = "".join(map(_text, calls))
    return {
        "spans": len(calls),
        "content": doctor_echo.QUESTION in first and doctor_echo.ANSWER in everything,
        "token_ids": any(n.startswith("leyden.response_token_ids") for s in calls for n in s.attributes or {}),
        "logprobs": any("leyden.response_logprobs" in (s.attributes or {}) for s in calls),
        "tool_calls": doctor_echo.TOOL in first and doctor_echo.ARGUMENT in first,
    }


def _text(span: Any) -> str:
    return json.dumps([dict(span.attributes or {}), [dict(e.attributes or {}) for e in span.events]], default=str)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

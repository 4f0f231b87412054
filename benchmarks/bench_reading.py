"""How fast stored spans become turns, per dialect, against parsing the same content alone in the same run.

    python benchmarks/bench_reading.py [--rollouts 500] [--turns 8] [--words 40] [--store] [--json]

Reading goes from `Span`s in memory to rollouts of turns; parsing is json.loads of every piece of JSON text on those
spans (flattened attributes: as one object), the least that a reader must do which knows nothing of histories that
repeat. `ratio` is parsing time over reading time: above 1, reading is faster than parsing alone. With --store, spans of
the first dialect are put in an embedded store in a temporary folder, and `store` measures from its query to turns.
One core, best of three rounds, both sides interleaved.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from leyden_store.reading import read_rollouts
from leyden_store.spans import Span
from leyden_store.turns import Rollout

_START_NS = 1_700_000_000_000_000_000
_BATCH = 256
"""Rollouts read at once, as the store does."""

_TOOL = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Search the archive.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    },
}

Message = dict[str, Any]


def main() -> None:
    """Print one line per dialect, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=500)
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--words", type=int, default=40, help="words a message")
    parser.add_argument("--store", action="store_true", help="measure from an embedded store too")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    figures: dict[str, dict[str, float]] = {}
    for dialect in DIALECTS:
        spans = list(make_spans(dialect, args.rollouts, args.turns, args.words))
        found = sum(len(rollout.turns) for rollout in read(spans))
        if found != args.rollouts * args.turns:
            sys.exit(f"{dialect}: {found} turns of {args.rollouts * args.turns}")
        texts = [text for span in spans for text in json_texts(span)]
        reading, parsing = best_of_three(partial(read_all, spans), partial(parse_all, texts))
        figures[dialect] = {"turns_per_s": round(found / reading), "ratio": round(parsing / reading, 2)}
    if args.store:
        turns = args.rollouts * args.turns
        spans = list(make_spans(DIALECTS[0], args.rollouts, args.turns, args.words))
        figures["store"] = {"turns_per_s": round(turns / seconds_from_store(spans))}
    if args.json:
        print(json.dumps(figures))
    else:
        for name, values in figures.items():
            print(f"{name:<18}" + "".join(f"{key:>14} {value:>10,}" for key, value in values.items()))


def read(spans: list[Span]) -> Iterator[Rollout]:
    """Rollouts, read in batches of whole traces as the store reads them."""
    batch: list[Span] = []
    traces = 0
    last = ""
    for span in spans:
        if span.trace_id != last:
            if traces == _BATCH:
                yield from read_rollouts(batch)
                batch, traces = [], 0
            traces, last = traces + 1, span.trace_id
        batch.append(span)
    yield from read_rollouts(batch)


def read_all(spans: list[Span]) -> list[Rollout]:
    """What is measured: reading."""
    return list(read(spans))


def parse_all(texts: list[str]) -> list[Any]:
    """What it is measured against: parsing."""
    return [json.loads(text) for text in texts]


def seconds_from_store(spans: list[Span]) -> float:
    """Seconds from a query to turns, out of an embedded store that holds the spans."""
    from leyden_store.ingest import OtlpWriter, delimited
    from leyden_store.lightning import LightningStore
    from leyden_store.otlp import encode_traces

    with tempfile.TemporaryDirectory() as folder, LightningStore.open(f"chdb://{folder}/store") as store:
        OtlpWriter(store.connection).write(delimited([encode_traces(spans)]), token="all")
        (seconds,) = best_of_three(lambda: sum(1 for _ in store.turns()))
        return seconds


def make_spans(dialect: str, rollouts: int, turns: int, words: int) -> Iterator[Span]:
    """Tool loops of one conversation each: a root, and a call a turn whose history grows."""
    source = random.Random(0)

    def said() -> str:
        return " ".join(source.choice(("river", "stone", "lamp", "seven", "quiet", "under")) for _ in range(words))

    for number in range(rollouts):
        trace_id, start = f"{number + 1:032x}", _START_NS + number * 10**12
        root = f"{number * 100:016x}"
        yield Span(trace_id, root, "agent", start, start + turns * 10**9, attributes={"gen_ai.agent.name": "worker"})
        history: list[Message] = [{"role": "system", "content": said()}, {"role": "user", "content": said()}]
        for turn in range(turns):
            function = {"name": "search", "arguments": json.dumps({"query": said()})}
            reply: Message = {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": f"call_{number}_{turn}", "type": "function", "function": function}],
            }
            scope, attributes = _SPEAKERS[dialect](history, reply, f"resp-{number}-{turn}")
            yield Span(
                trace_id,
                f"{number * 100 + turn + 1:016x}",
                "chat small",
                start + turn * 10**9,
                start + turn * 10**9 + 10**8,
                root,
                kind="Client",
                scope_name=scope,
                attributes=attributes,
            )
            result = {"role": "tool", "tool_call_id": f"call_{number}_{turn}", "content": said()}
            history = [*history, reply, result]


def _genai(history: list[Message], reply: Message, reply_id: str) -> tuple[str, dict[str, Any]]:
    return "opentelemetry.instrumentation.genai.openai", {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "small",
        "gen_ai.response.model": "small",
        "gen_ai.response.id": reply_id,
        "gen_ai.response.finish_reasons": ["tool_calls"],
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 10,
        "gen_ai.input.messages": json.dumps([_parts(message) for message in history]),
        "gen_ai.output.messages": json.dumps([{**_parts(reply), "finish_reason": "tool_call"}]),
        "gen_ai.tool.definitions": json.dumps([{"type": "function", **_TOOL["function"]}]),  # type: ignore[dict-item]
    }


def _traceloop(history: list[Message], reply: Message, reply_id: str) -> tuple[str, dict[str, Any]]:
    _, attributes = _genai(history, reply, reply_id)
    return "opentelemetry.instrumentation.openai.v1", {**attributes, "gen_ai.is_streaming": False}


def _parts(message: Message) -> Message:
    if message["role"] == "tool":
        part = {"type": "tool_call_response", "id": message["tool_call_id"], "response": message["content"]}
        return {"role": "tool", "parts": [part]}
    parts = [{"type": "text", "content": message["content"]}] if message["content"] else []
    for call in message.get("tool_calls", ()):
        arguments = json.loads(call["function"]["arguments"])
        name = call["function"]["name"]
        parts.append({"type": "tool_call", "id": call["id"], "name": name, "arguments": arguments})
    return {"role": message["role"], "parts": parts}


def _openinference(history: list[Message], reply: Message, reply_id: str) -> tuple[str, dict[str, Any]]:
    request = {"model": "small", "messages": history, "tools": [_TOOL], "temperature": 0.7}
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    choice = {"index": 0, "message": reply, "finish_reason": "tool_calls"}
    body = {"id": reply_id, "model": "small", "choices": [choice], "usage": usage}
    attributes: dict[str, Any] = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "small",
        "llm.token_count.prompt": 100,
        "llm.token_count.completion": 10,
        "input.value": json.dumps(request),
        "input.mime_type": "application/json",
        "output.value": json.dumps(body),
        "output.mime_type": "application/json",
    }
    for i, message in enumerate(history):
        attributes[f"llm.input_messages.{i}.message.role"] = message["role"]
        if message["content"]:
            attributes[f"llm.input_messages.{i}.message.content"] = message["content"]
        for j, call in enumerate(message.get("tool_calls", ())):
            base = f"llm.input_messages.{i}.message.tool_calls.{j}.tool_call"
            attributes[f"{base}.id"] = call["id"]
            attributes[f"{base}.function.name"] = call["function"]["name"]
            attributes[f"{base}.function.arguments"] = call["function"]["arguments"]
    return "openinference.instrumentation.openai", attributes


def _indexed(history: list[Message], reply: Message, reply_id: str) -> tuple[str, dict[str, Any]]:
    attributes: dict[str, Any] = {
        "llm.request.type": "chat",
        "gen_ai.system": "OpenAI",
        "gen_ai.request.model": "small",
        "gen_ai.response.model": "small",
        "gen_ai.response.id": reply_id,
        "gen_ai.usage.prompt_tokens": 100,
        "gen_ai.usage.completion_tokens": 10,
        "gen_ai.completion.0.finish_reason": "tool_calls",
        "llm.request.functions.0.name": "search",
        "llm.request.functions.0.parameters": json.dumps(_TOOL["function"]["parameters"]),  # type: ignore[index]
    }
    for prefix, messages in (("gen_ai.prompt", history), ("gen_ai.completion", [reply])):
        for i, message in enumerate(messages):
            attributes[f"{prefix}.{i}.role"] = message["role"]
            if message["content"]:
                attributes[f"{prefix}.{i}.content"] = message["content"]
            if "tool_call_id" in message:
                attributes[f"{prefix}.{i}.tool_call_id"] = message["tool_call_id"]
            for j, call in enumerate(message.get("tool_calls", ())):
                attributes[f"{prefix}.{i}.tool_calls.{j}.id"] = call["id"]
                attributes[f"{prefix}.{i}.tool_calls.{j}.name"] = call["function"]["name"]
                attributes[f"{prefix}.{i}.tool_calls.{j}.arguments"] = call["function"]["arguments"]
    return "opentelemetry.instrumentation.openai.v1", attributes


def _lightning(history: list[Message], reply: Message, reply_id: str) -> tuple[str, dict[str, Any]]:
    _, attributes = _indexed(history, reply, reply_id)
    ids = list(range(len(history) * 60))
    return "agentops", {**attributes, "prompt_token_ids": ids, "response_token_ids": list(range(60))}


_SPEAKERS: dict[str, Callable[[list[Message], Message, str], tuple[str, dict[str, Any]]]] = {
    "genai": _genai,
    "traceloop": _traceloop,
    "openinference": _openinference,
    "traceloop-indexed": _indexed,
    "agentlightning": _lightning,
}
DIALECTS = tuple(_SPEAKERS)


def json_texts(span: Span) -> list[str]:
    """The span's content as JSON texts: its own, or its flattened attributes as one."""
    texts = [value for value in span.attributes.values() if isinstance(value, str) and value[:1] in ("{", "[")]
    flat = {key: value for key, value in span.attributes.items() if not isinstance(value, str) or value not in texts}
    return [*texts, json.dumps(flat)]


def best_of_three(*works: Callable[[], object]) -> list[float]:
    """Seconds of each; the works take turns, and the slower rounds measure what else the machine was doing."""
    best = [float("inf")] * len(works)
    for _ in range(3):
        for place, work in enumerate(works):
            start = time.perf_counter()
            work()
            best[place] = min(best[place], time.perf_counter() - start)
    return best


if __name__ == "__main__":
    main()

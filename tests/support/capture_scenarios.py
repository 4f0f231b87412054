"""Agents of many habits on the real OpenAI client: what golden captures are recorded from.

Each function is one scenario; it knows nothing of tracing. `python -m tests.support.capture_run` records them.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from openai import AsyncOpenAI, OpenAI, OpenAIError
from pydantic import BaseModel

Scenario = Callable[[OpenAI], object]

SYSTEM = {"role": "system", "content": "You are a weather agent."}
USER = {"role": "user", "content": "Weather in Paris and Oslo?"}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {"name": "weather", "description": "Get weather", "parameters": CITY, "strict": True},
    },
    {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
]
RESPONSE_TOOLS: list[Any] = [
    {"type": "function", "name": "weather", "description": "Get weather", "parameters": CITY, "strict": False}
]
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAA"
    "AfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Person(BaseModel):
    """What `.parse` parses."""

    name: str
    age: int


def _loop(client: OpenAI, model: str, **options: Any) -> None:
    """Ask, answer every tool call, ask again."""
    messages: list[Any] = [SYSTEM, USER]
    for _ in range(2):
        message = (
            client.chat.completions.create(model=model, messages=messages, tools=TOOLS, **options).choices[0].message
        )
        if not message.tool_calls:
            return
        messages.append(message)
        messages += [{"role": "tool", "tool_call_id": c.id, "content": '{"temp": 18}'} for c in message.tool_calls]


def _stream_loop(client: OpenAI, model: str, **options: Any) -> None:
    """The same, streamed, the calls put together by hand."""
    messages: list[Any] = [SYSTEM, USER]
    for _ in range(2):
        calls: dict[int, dict[str, Any]] = {}
        said = ""
        for chunk in client.chat.completions.create(
            model=model, messages=messages, tools=TOOLS, stream=True, stream_options={"include_usage": True}, **options
        ):
            for delta in (choice.delta for choice in chunk.choices):
                said += delta.content or ""
                for call in delta.tool_calls or ():
                    kept = calls.setdefault(
                        call.index, {"id": call.id, "type": "function", "function": {"name": "", "arguments": ""}}
                    )
                    kept["function"]["name"] += call.function.name or ""
                    kept["function"]["arguments"] += call.function.arguments or ""
        if not calls:
            return
        messages.append({"role": "assistant", "content": said or None, "tool_calls": list(calls.values())})
        messages += [{"role": "tool", "tool_call_id": c["id"], "content": '{"temp": 18}'} for c in calls.values()]


def _ask(client: OpenAI, model: str, messages: list[Any] | None = None, **options: Any) -> Any:
    return client.chat.completions.create(model=model, messages=messages or [SYSTEM, USER], **options)


def _drain(stream: Any) -> None:
    for _ in stream:
        pass


def _async(client: OpenAI, model: str) -> None:
    async def run() -> None:
        async with AsyncOpenAI(base_url=str(client.base_url), api_key="none", max_retries=0) as other:
            first = await other.chat.completions.create(model=model, messages=[SYSTEM, USER], tools=TOOLS)
            stream = await other.chat.completions.create(
                model="fake-chat", messages=[SYSTEM, USER], stream=True, stream_options={"include_usage": True}
            )
            async for _ in stream:
                pass
            assert first.choices

    asyncio.run(run())


def _gathered(client: OpenAI) -> None:
    """Two conversations at once, each in two calls."""

    async def loop(other: AsyncOpenAI, question: str) -> None:
        messages: list[Any] = [SYSTEM, {"role": "user", "content": question}]
        for _ in range(2):
            reply = await other.chat.completions.create(model="fake-text-and-call", messages=messages, tools=TOOLS)
            message = reply.choices[0].message
            messages.append(message)
            calls = message.tool_calls or ()
            messages += [{"role": "tool", "tool_call_id": call.id, "content": '{"temp": 18}'} for call in calls]
            await asyncio.sleep(0.05)

    async def late(other: AsyncOpenAI) -> None:
        await asyncio.sleep(0.03)  # So that captures agree in which came first.
        await loop(other, "Weather in Oslo?")

    async def run() -> None:
        async with AsyncOpenAI(base_url=str(client.base_url), api_key="none", max_retries=0) as other:
            await asyncio.gather(loop(other, "Weather in Paris?"), late(other))

    asyncio.run(run())


def _async_abandoned(client: OpenAI) -> None:
    async def run() -> None:
        async with AsyncOpenAI(base_url=str(client.base_url), api_key="none", max_retries=0) as other:
            stream = await other.chat.completions.create(model="fake-long", messages=[SYSTEM, USER], stream=True)  # type: ignore[list-item]
            async with stream:
                async for _ in stream:
                    break

    asyncio.run(run())


def _raw_stream(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="fake-chat",
        messages=[USER],  # type: ignore[list-item]
        stream=True,
        stream_options={"include_usage": True},
    )
    _drain(raw.parse())


def _stream_helper(client: OpenAI) -> None:
    with client.chat.completions.stream(model="fake-parallel", messages=[SYSTEM, USER], tools=TOOLS) as stream:  # type: ignore[list-item]
        _drain(stream)


def _responses_goes_on(client: OpenAI) -> None:
    first = client.responses.create(model="fake-chat", input="Hello?")
    client.responses.create(model="fake-chat", input="And now?", previous_response_id=first.id)


def _image_result(client: OpenAI) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    parts = [
        {"type": "text", "text": "a cat"},
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
    ]
    _ask(
        client,
        "fake-chat",
        [
            USER,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "seen"},
            {"role": "user", "content": parts},
        ],
    )


def _threads(client: OpenAI) -> None:
    def later(i: int) -> None:
        time.sleep(i * 0.03)
        _ask(client, "fake-slow", [{"role": "user", "content": f"question {i}"}])

    threads = [threading.Thread(target=later, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _multimodal(client: OpenAI, url: str) -> None:
    parts = [
        {"type": "text", "text": "What is in this?"},
        {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
        {"type": "text", "text": "Be exact."},
    ]
    _ask(client, "fake-chat", [{"role": "user", "content": parts}])


def _audio(client: OpenAI) -> None:
    parts = [
        {"type": "text", "text": "Say again?"},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ]
    _ask(client, "fake-chat", [{"role": "user", "content": parts}])


def _abandoned(client: OpenAI) -> None:
    with _ask(client, "fake-long", stream=True, stream_options={"include_usage": True}) as stream:
        for _ in range(4):
            next(stream)


def _history(client: OpenAI) -> None:
    _ask(
        client,
        "fake-chat",
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Hi", "name": "alice"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": ""},
            {"role": "assistant", "content": None, "refusal": "No."},
            {"role": "user", "content": [{"type": "text", "text": "one part"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "text", "text": "parts"}]},
        ],
    )


def _tool_history(client: OpenAI) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
    _ask(
        client,
        "fake-chat",
        [
            USER,
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "18"}]},
            {"role": "assistant", "content": "It is 18.", "tool_calls": [{**call, "id": "call_2"}]},
            {"role": "tool", "tool_call_id": "call_2", "content": ""},
        ],
    )


def _with_embeddings(client: OpenAI) -> None:
    _ask(client, "fake-chat")
    client.embeddings.create(model="fake-embed", input="some text")
    _ask(client, "fake-chat", [USER])


def _errors(client: OpenAI) -> None:
    for model in ("fake-error-400", "fake-error-500"):
        with contextlib.suppress(OpenAIError):
            _ask(client, model)
    with contextlib.suppress(OpenAIError):
        _ask(client, "fake-error-429", stream=True)
    with contextlib.suppress(OpenAIError):
        OpenAI(base_url="http://127.0.0.1:9/v1", api_key="none", max_retries=0).chat.completions.create(
            model="fake-nowhere", messages=[USER]
        )


def _params(client: OpenAI) -> None:
    _ask(
        client, "fake-chat", temperature=0.5, top_p=0.9, max_completion_tokens=20, seed=3, stop="END", n=1,
        frequency_penalty=0.1, presence_penalty=0.2, tools=TOOLS, tool_choice="auto", parallel_tool_calls=False,
        extra_body={"top_k": 20},
    )  # fmt: skip


def _responses_loop(client: OpenAI, model: str, **options: Any) -> None:
    items: list[Any] = [{"role": "user", "content": "Weather in Paris and Oslo?"}]
    for _ in range(2):
        reply = client.responses.create(
            model=model, instructions="You are a weather agent.", input=items, tools=RESPONSE_TOOLS, **options
        )
        calls = [item for item in reply.output if item.type == "function_call"]
        if not calls:
            return
        items += reply.output
        items += [{"type": "function_call_output", "call_id": c.call_id, "output": '{"temp": 18}'} for c in calls]


def _responses_history(client: OpenAI) -> None:
    parts = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": PIXEL, "detail": "auto"},
    ]
    client.responses.create(
        model="fake-chat", input=[{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]
    )  # type: ignore[arg-type,list-item,misc]
    client.responses.create(model="fake-chat", input="Just text.")


def _arguments(client: OpenAI) -> None:
    for kind in ("nested", "no-arguments", "empty-arguments", "broken-arguments", "spaced-arguments"):
        _loop(client, f"fake-{kind}")


def _unicode(client: OpenAI) -> None:
    _loop(client, "fake-unicode")
    _ask(client, "fake-unicode-text")


def _finish(client: OpenAI) -> None:
    _ask(client, "fake-length", max_tokens=5)
    _ask(client, "fake-filtered")


def _streamed(client: OpenAI, model: str) -> None:
    _drain(_ask(client, model, stream=True, stream_options={"include_usage": True}))


def _function_call(client: OpenAI) -> None:
    _ask(client, "fake-function", functions=[{"name": "now", "parameters": {"type": "object", "properties": {}}}])


def _responses_errors(client: OpenAI) -> None:
    with contextlib.suppress(OpenAIError):
        _responses_loop(client, "fake-error-400")


SCENARIOS: dict[str, Scenario] = {
    "parallel": lambda c: _loop(c, "fake-parallel"),
    "text-and-call": lambda c: _loop(c, "fake-text-and-call"),
    "stream-parallel": lambda c: _stream_loop(c, "fake-parallel"),
    "stream-text-and-call": lambda c: _stream_loop(c, "fake-text-and-call"),
    "async": lambda c: _async(c, "fake-parallel"),
    "threads": _threads,
    "unicode": _unicode,
    "arguments": _arguments,
    "reasoning": lambda c: _ask(c, "fake-reasoning"),
    "stream-reasoning": lambda c: _streamed(c, "fake-reasoning"),
    "image-url": lambda c: _multimodal(c, "https://example.org/cat.png"),
    "image-inline": lambda c: _multimodal(c, PIXEL),
    "audio": _audio,
    "parse": lambda c: c.chat.completions.parse(
        model="fake-json",
        messages=[SYSTEM, USER],  # type: ignore[list-item]
        response_format=Person,
    ),
    "raw-response": lambda c: c.chat.completions.with_raw_response.create(
        model="fake-chat",
        messages=[USER],  # type: ignore[list-item]
    ).parse(),
    "refusal": lambda c: _ask(c, "fake-refusal"),
    "stream-refusal": lambda c: _streamed(c, "fake-refusal"),
    "choices": lambda c: _ask(c, "fake-n", n=3),
    "empty-reply": lambda c: _ask(c, "fake-empty"),
    "finish": _finish,
    "function-call": _function_call,
    "history": _history,
    "tool-history": _tool_history,
    "stream-no-usage": lambda c: _drain(_ask(c, "fake-chat", stream=True)),
    "abandoned": _abandoned,
    "embeddings": _with_embeddings,
    "errors": _errors,
    "params": _params,
    "completions": lambda c: c.completions.create(model="fake-text", prompt="Tell me", max_tokens=5),
    "responses-parallel": lambda c: _responses_loop(c, "fake-parallel"),
    "responses-text-and-call": lambda c: _responses_loop(c, "fake-text-and-call"),
    "responses-reasoning": lambda c: _responses_loop(c, "fake-reasoning"),
    "responses-stream": lambda c: _drain(
        c.responses.create(model="fake-parallel", input="Weather?", tools=RESPONSE_TOOLS, stream=True)
    ),
    "responses-parse": lambda c: c.responses.parse(model="fake-json", input="Who?", text_format=Person),
    "responses-length": lambda c: _responses_loop(c, "fake-length"),
    "responses-refusal": lambda c: _responses_loop(c, "fake-refusal"),
    "responses-history": _responses_history,
    "responses-errors": _responses_errors,
    "gathered": _gathered,
    "async-abandoned": _async_abandoned,
    "raw-stream": _raw_stream,
    "stream-helper": _stream_helper,
    "stream-choices": lambda c: _drain(_ask(c, "fake-n", n=2, stream=True, stream_options={"include_usage": True})),
    "responses-goes-on": _responses_goes_on,
    "image-result": _image_result,
    "response-format": lambda c: _ask(
        c,
        "fake-json",
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "p", "schema": {"type": "object", "properties": {"name": {"type": "string"}}}},
        },
    ),
}
"""Name → agent. Adding one and recording it adds its golden cases."""

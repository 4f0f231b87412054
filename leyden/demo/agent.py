"""A shop assistant: an ordinary tool-calling agent on the openai SDK. It has never heard of Leyden.

OPENAI_BASE_URL=… OPENAI_API_KEY=… OPENAI_MODEL=… python agent.py "how heavy is the lamp"
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
from typing import Any

import openai

# fmt: off
ITEMS = (
    "lamp", "chair", "table", "mirror", "kettle", "basket", "ladder", "hammer", "carpet", "clock",
    "bucket", "candle", "pillow", "blanket", "bottle", "drawer", "easel", "fiddle", "globe", "helmet",
    "jigsaw", "lantern", "mattress", "notebook", "oven", "pan", "radio", "saddle", "teapot", "umbrella",
)
# fmt: on
FACTS = {
    "price": "What an item costs, in euros.",
    "stock": "How many of an item are left.",
    "weight": "What an item weighs, in kilograms.",
    "shelf": "The number of the shelf an item stands on.",
}
NUMBERS = range(10, 50)
SYSTEM = "you are a shop assistant"
MAX_CALLS = 4


def _stock_the_shop() -> dict[str, dict[str, int]]:
    rng = random.Random("the shop's catalogue")  # noqa: S311 - a made-up shop, no secret
    return {item: dict(zip(FACTS, rng.sample(NUMBERS, len(FACTS)), strict=True)) for item in ITEMS}


CATALOGUE = _stock_the_shop()
"""item → fact → number; the four numbers of an item differ."""

TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": fact,
            "description": description,
            "parameters": {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]},
        },
    }
    for fact, description in FACTS.items()
]

_per_thread = threading.local()


def call_tool(name: str, arguments: str) -> str:
    """What the shop answers to a tool call; a call it cannot follow is answered in words, as tools do."""
    try:
        return str(CATALOGUE[json.loads(arguments)["item"]][name])
    except (ValueError, KeyError, TypeError):
        return "unknown"


def solve(question: str) -> str:
    """Answer one customer: the model picks a tool, reads its result and answers."""
    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    for _ in range(MAX_CALLS):
        completion = _client().chat.completions.create(
            model=os.environ["OPENAI_MODEL"], messages=messages, tools=TOOLS, max_tokens=24
        )
        reply = completion.choices[0].message
        messages.append(reply.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}))
        if not reply.tool_calls:
            return reply.content or ""
        for call in reply.tool_calls:
            if call.type == "function":
                result = call_tool(call.function.name, call.function.arguments)
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return ""


def _client() -> openai.OpenAI:
    """One client a thread: it keeps its connection."""
    if not hasattr(_per_thread, "client"):
        _per_thread.client = openai.OpenAI()
    client: openai.OpenAI = _per_thread.client
    return client


if __name__ == "__main__":
    print(solve(" ".join(sys.argv[1:])))

"""A loop around the Anthropic SDK, streamed, with one tool.

python agent.py "Is it warmer in Oslo or in Paris?"
"""

import os
import sys

from anthropic import Anthropic

TOOLS: list = [
    {
        "name": "weather",
        "description": "How warm it is in a city now.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]


def weather(city: str) -> str:
    return {"Oslo": "9 °C", "Paris": "18 °C"}.get(city, "unknown")


def answer(question: str, max_turns: int = 8) -> str:
    """Ask the model, run the tools it calls, until it answers in words."""
    client = Anthropic()
    messages: list = [{"role": "user", "content": question}]
    for _ in range(max_turns):
        with client.messages.stream(
            model=os.environ.get("ANTHROPIC_MODEL", "claude-sonnet-4-5"),
            system="Answer questions about the weather.",
            max_tokens=1000,
            messages=messages,
            tools=TOOLS,
        ) as stream:
            reply = stream.get_final_message()
        calls = [block for block in reply.content if block.type == "tool_use"]
        if not calls:
            return "".join(block.text for block in reply.content if block.type == "text")
        messages.append({"role": "assistant", "content": reply.content})
        results = [{"type": "tool_result", "tool_use_id": c.id, "content": weather(**c.input)} for c in calls]
        messages.append({"role": "user", "content": results})
    return "no answer"


if __name__ == "__main__":
    print(answer(" ".join(sys.argv[1:]) or "Is it warmer in Oslo or in Paris?"))

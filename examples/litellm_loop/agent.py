"""A loop around LiteLLM's `completion` with one tool.

python agent.py "Is it warmer in Oslo or in Paris?"
"""

import json
import os
import sys

import litellm

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "How warm it is in a city now.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


def weather(city: str) -> str:
    return {"Oslo": "9 °C", "Paris": "18 °C"}.get(city, "unknown")


def answer(question: str, max_turns: int = 8) -> str:
    """Ask the model, run the tools it calls, until it answers in words."""
    messages: list = [
        {"role": "system", "content": "Answer questions about the weather."},
        {"role": "user", "content": question},
    ]
    for _ in range(max_turns):
        reply = litellm.completion(
            model="openai/" + os.environ.get("OPENAI_MODEL", "gpt-5-mini"), messages=messages, tools=TOOLS
        )
        message = reply.choices[0].message
        if not message.tool_calls:
            return message.content or ""
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            result = weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return "no answer"


if __name__ == "__main__":
    print(answer(" ".join(sys.argv[1:]) or "Is it warmer in Oslo or in Paris?"))

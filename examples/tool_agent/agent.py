"""A small agent that answers questions with two tools. It knows the openai SDK and nothing else.

    python agent.py "What is 17 * 23, and how many letters has 'lightning'?"

OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_MODEL say whom to ask.
"""

import ast
import json
import operator
import os
import sys
from collections.abc import Callable
from functools import cache

from openai import OpenAI

OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "calculate",
            "description": "Work out an arithmetic expression of +, -, * and /.",
            "parameters": {
                "type": "object",
                "properties": {"expression": {"type": "string"}},
                "required": ["expression"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "count_letters",
            "description": "Count the letters of a word.",
            "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
        },
    },
]


def calculate(expression: str) -> str:
    """The value of an arithmetic expression, without trusting it to eval."""

    def value(node: ast.expr) -> float:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return node.value
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        raise ValueError(f"not arithmetic: {expression}")

    return f"{value(ast.parse(expression, mode='eval').body):g}"


def count_letters(word: str) -> str:
    return str(sum(character.isalpha() for character in word))


def call_tool(name: str, arguments: str) -> str:
    """What a tool gives, or what went wrong, in words the model can use."""
    tools: dict[str, Callable[..., str]] = {"calculate": calculate, "count_letters": count_letters}
    try:
        return tools[name](**json.loads(arguments))
    except (KeyError, TypeError, ValueError, SyntaxError, ZeroDivisionError) as error:
        return f"error: {error}"


@cache
def client() -> OpenAI:
    return OpenAI()


def answer(question: str, max_turns: int = 8) -> str:
    """Ask the model, run the tools it calls, until it answers in words."""
    messages: list = [
        {"role": "system", "content": "Answer the question. Use the tools; do not guess."},
        {"role": "user", "content": question},
    ]
    for _ in range(max_turns):
        reply = client().chat.completions.create(
            model=os.environ.get("OPENAI_MODEL", "gpt-5-mini"), messages=messages, tools=TOOLS
        )
        message = reply.choices[0].message
        if not message.tool_calls:
            return message.content or ""
        messages.append(message)
        for call in message.tool_calls:
            result = call_tool(call.function.name, call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return "no answer"


if __name__ == "__main__":
    print(answer(" ".join(sys.argv[1:]) or "What is 17 * 23?"))

"""An agent that answers questions about a music shop in SQL: an ordinary loop around the openai SDK.

SHOP=shop.db OPENAI_BASE_URL=… OPENAI_API_KEY=… OPENAI_MODEL=… python agent.py "how much has dylan paid"
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from contextlib import closing
from typing import Any

import openai

SYSTEM = "you answer questions in SQL"
MAX_TRIES = 3
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "query",
            "description": "Ask the shop's SQLite database.",
            "parameters": {"type": "object", "properties": {"sql": {"type": "string"}}, "required": ["sql"]},
        },
    }
]


def query(sql: str, shop: str) -> list[Any]:
    """The rows of a query. Raises sqlite3.Error for one that SQLite refuses, or that takes too long."""
    with closing(sqlite3.connect(f"file:{shop}?mode=ro", uri=True)) as database:
        database.set_progress_handler(lambda: 1, 1_000_000)  # virtual machine steps
        return database.execute(sql).fetchmany(100)


def answer(question: str) -> str:
    """Rows as JSON: of the model's query, or of its next ones where SQLite refused the first."""
    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    with openai.OpenAI() as client:
        for _ in range(MAX_TRIES):
            completion = client.chat.completions.create(
                model=os.environ["OPENAI_MODEL"], messages=messages, tools=TOOLS, max_tokens=48
            )
            reply = completion.choices[0].message
            messages.append(reply.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}))
            if not reply.tool_calls:
                return reply.content or ""
            call: Any = reply.tool_calls[0]
            try:
                return json.dumps(query(json.loads(call.function.arguments)["sql"], os.environ["SHOP"]))
            except (sqlite3.Error, ValueError, LookupError, TypeError) as error:
                messages.append({"role": "tool", "tool_call_id": call.id, "content": f"error: {error}"})
    return "no query that SQLite understands"


if __name__ == "__main__":
    print(answer(" ".join(sys.argv[1:])))

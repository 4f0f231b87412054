"""The demo's agent, which also keeps what the server says of tokens; asked for by itself, recorded or not."""

from __future__ import annotations

import os
from typing import Any

from leyden.demo.agent import SYSTEM, TOOLS, call_tool


def act(question: str) -> dict[str, Any]:
    """The answer, and of each turn the prompt's ids, the reply's and their logprobs."""
    import openai

    client = openai.OpenAI()
    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    turns: list[Any] = []
    while len(turns) < 4:
        completion: Any = client.chat.completions.create(
            model=os.environ["OPENAI_MODEL"], messages=messages, tools=TOOLS, max_tokens=24,
            logprobs=True, extra_body={"return_token_ids": True},
        )  # fmt: skip
        choice = completion.choices[0]
        logps = [token.logprob for token in choice.logprobs.content]
        turns.append((completion.prompt_token_ids, choice.token_ids, logps))
        reply = choice.message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"})
        messages.append(reply)
        if not choice.message.tool_calls:
            return {"turns": turns, "answer": choice.message.content or ""}
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": call_tool(**call["function"])}
            for call in reply["tool_calls"]
        ]
    return {"turns": turns, "answer": ""}

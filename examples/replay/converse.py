"""Amazon Bedrock's converse, whole."""

from __future__ import annotations

import json
from typing import Any

from examples.replay.rules import Reply, Rules, text_of


def answer(body: dict[str, Any], rules: Rules, number: int) -> Reply:
    content = body["messages"][-1]["content"]
    last = " ".join(text_of(part.get("toolResult", part)) for part in content)
    specs = [tool["toolSpec"] for tool in (body.get("toolConfig") or {}).get("tools") or ()]
    return rules.reply(last, [spec["name"] for spec in specs], number)


def whole(_: dict[str, Any], reply: Reply, __: int) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"text": reply.text}] if reply.text else []
    content += [
        {"toolUse": {"toolUseId": c.call_id, "name": c.name, "input": json.loads(c.arguments)}} for c in reply.calls
    ]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "tool_use" if reply.calls else "end_turn",
        "usage": {"inputTokens": 20, "outputTokens": 9, "totalTokens": 29},
        "metrics": {"latencyMs": 1},
    }

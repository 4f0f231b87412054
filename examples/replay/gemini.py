"""Google's generateContent, whole."""

from __future__ import annotations

import json
from typing import Any

from examples.replay.rules import Reply, Rules


def answer(body: dict[str, Any], rules: Rules, number: int) -> Reply:
    parts = body["contents"][-1]["parts"]
    last = " ".join(str(p.get("text") or p.get("functionResponse", {}).get("response", "")) for p in parts)
    declared = [d for tool in body.get("tools") or () for d in tool.get("functionDeclarations") or ()]
    return rules.reply(last, [d["name"] for d in declared], number)


def whole(_: dict[str, Any], reply: Reply, number: int) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"text": reply.text}] if reply.text else []
    parts += [{"functionCall": {"id": c.call_id, "name": c.name, "args": json.loads(c.arguments)}} for c in reply.calls]
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 20, "candidatesTokenCount": 9, "totalTokenCount": 29},
        "modelVersion": "replayed",
        "responseId": f"gemini_{number}",
    }

"""OpenAI chat JSON Lines: fine-tuning files, or any line with `messages`: a rollout a line, a turn a reply.

No such file says when: its turns stand one millisecond apart from a fixed day on, in the order of the lines.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from leyden.importing._values import Unusable
from leyden_store.spans import AttributeValue, Span

_DAY_NS = 1_577_836_800 * 10**9
"""2020-01-01."""

_MS = 10**6


def is_one(record: Mapping[str, Any]) -> bool:
    """Whether a record is a conversation."""
    messages = record.get("messages")
    return (
        isinstance(messages, list) and bool(messages) and all(isinstance(m, Mapping) and "role" in m for m in messages)
    )


def spans(record: Mapping[str, Any], line: int) -> Iterator[Span]:
    """The conversation's replies as chat spans under a root: those that weigh 0 are context alone. Raises Unusable."""
    if not is_one(record):
        raise Unusable("no messages with roles")
    messages = [dict(message) for message in record["messages"]]
    weights = [message.pop("weight", 1) for message in messages]
    replies = [at for at, m in enumerate(messages) if m["role"] == "assistant" and weights[at] != 0]
    if not replies:
        raise Unusable("no reply of the assistant")
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    trace, root = digest[:32], digest[32:48]
    start = _DAY_NS + line * 1000 * _MS
    yield _span(
        trace,
        root,
        "",
        "conversation",
        start,
        start + (len(messages) + 1) * _MS,
        {"gen_ai.operation.name": "invoke_agent"},
    )
    tools = record.get("tools") or [{"type": "function", "function": one} for one in record.get("functions") or ()]
    for at in replies:
        asked: dict[str, Any] = {"model": str(record.get("model") or "unknown"), "messages": messages[:at]}
        if tools:
            asked["tools"] = tools
        calls = messages[at].get("tool_calls")
        choice = {"index": 0, "message": messages[at], "finish_reason": "tool_calls" if calls else "stop"}
        own = hashlib.sha256(f"{digest}:{at}".encode()).hexdigest()[:16]
        reply = {"id": f"chatcmpl-{own}", "object": "chat.completion", "model": asked["model"], "choices": [choice]}
        attributes: dict[str, AttributeValue] = {
            "mlflow.spanType": '"CHAT_MODEL"',
            "mlflow.spanInputs": json.dumps(asked, ensure_ascii=False),
            "mlflow.spanOutputs": json.dumps(reply, ensure_ascii=False),
        }
        yield _span(trace, own, root, "chat", start + at * _MS, start + (at + 1) * _MS, attributes)


def _span(
    trace: str, own: str, parent: str, name: str, start: int, end: int, attributes: dict[str, AttributeValue]
) -> Span:
    return Span(
        trace_id=trace,
        span_id=own,
        parent_span_id=parent,
        name=name,
        start_ns=start,
        end_ns=end,
        status="Ok",
        scope_name="leyden.importing",
        service="import",
        resource={"service.name": "import"},
        attributes=attributes,
    )

"""A store as a team has it after a morning, for the page's pictures: agents, tools, rewards, a group with tokens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import httpx

from leyden_store.lightning import LightningStore
from leyden_store.otlp import encode_traces
from leyden_store.runs import Run
from leyden_store.spans import AttributeValue, Span
from tests.support.collector import Collector, ask
from tests.support.otlp_making import NOW_NS, make

GROUP, ATTEMPTS, RUN = "refund-1042", 4, "20260921-093012-grpo-support"
_SECOND = 10**9
_SCOPE = "opentelemetry.instrumentation.openai_v2"
_AGENTS = (
    ("support", "shop-desk", "qwen3-4b"),
    ("analyst", "sql-agent", "gpt-4o-mini"),
    ("researcher", "notes", "gpt-4o"),
)
_SYSTEM = "You are the support desk of a small shop. Look orders up before you promise anything."
_ASKED = "My order 1042 came with a broken lamp. Can I have my money back?"
_FOUND = '{"order": 1042, "item": "lamp", "paid": 39.9, "delivered": "2026-09-18", "returnable_until": "2026-10-02"}'
_REPLIES = (
    "I am sorry about the lamp. Your order can be returned until 2 October, so I have refunded 39.90; keep the lamp.",
    "I am sorry, but I cannot find out whether this order can be returned. Please write to us again.",
)


def trace_id(number: int) -> str:
    """A trace's id, as random as those of a real one."""
    return hashlib.md5(f"trace {number}".encode(), usedforsecurity=False).hexdigest()


def span_id(trace: int, number: int) -> str:
    """A span's."""
    return hashlib.md5(f"span {trace} {number}".encode(), usedforsecurity=False).hexdigest()[:16]


def spans() -> Iterator[Span]:
    """Four attempts at one task, with token ids, and a dozen traces of other agents."""
    for span in _numbered():
        trace, parent = int(span.trace_id, 16), span.parent_span_id
        yield replace(
            span,
            trace_id=trace_id(trace),
            span_id=span_id(trace, int(span.span_id, 16)),
            parent_span_id=span_id(trace, int(parent, 16)) if parent else "",
        )


def _numbered() -> Iterator[Span]:
    for attempt in range(ATTEMPTS):
        yield from _attempt(attempt)
    random = Random(3)
    for number in range(14):
        agent, service, model = _AGENTS[number % 3]
        yield from _trace(100 + number, agent, service, model, random, at_ns=NOW_NS - (number + 1) * 171 * _SECOND)


def show(up: Collector) -> None:
    """Give a collector all of it: spans, rewards, a label, a saved query, a run under way with its curves."""
    assert ask(f"{up.url}/v1/traces", encode_traces(list(spans()))).status == 200
    rewards = [
        {"rollout_id": f"{GROUP}/{n}", "value": value, "name": "reward", "source": "grader", "explanation": why}
        for n, (value, why) in enumerate(
            [(1.0, "refunded, within the policy"), (0.0, "gave up"), (0.8, "refunded; asked twice"), (0.0, "gave up")]
        )
    ]
    assert httpx.post(f"{up.url}/api/rewards", json=rewards).status_code == 200
    saved = {"where": "AgentName = 'support' AND GroupId != ''", "description": "The support desk's graded attempts."}
    assert httpx.put(f"{up.url}/api/queries/support-graded", json=saved).status_code == 200
    assert httpx.post(f"{up.url}/api/flush", timeout=60).status_code == 200
    with LightningStore.open(up.dsn) as store:
        random = Random(5)
        keys = [(trace_id(n + 1), span_id(n + 1, call)) for n in range(ATTEMPTS) for call in (2, 4, 6)]
        store.runs.start(
            Run(RUN, "trl-grpo", "models/qwen3-4b", query="support-graded", query_version=1, progress=0.6), keys
        )
        store.runs.metrics(RUN, [
            (step, {"loss": 0.9 / step**0.5 + random.random() / 20, "reward": 0.3 + step / 60 + random.random() / 10,
                    "kl": step / 900 + random.random() / 200, "clip_fraction": random.random() / 8})
            for step in range(1, 25)
        ])  # fmt: skip


def _attempt(attempt: int) -> Iterator[Span]:
    """Three turns with two tool calls; each goes on from the last, but attempt 2's third, which begins anew."""
    random = Random(attempt)
    good = attempt % 2 == 0
    system, user = _said("system", _SYSTEM), _said("user", _ASKED)
    asked = [system, user]
    ids = [random.randrange(200, 32000) for _ in range(48)]
    at = NOW_NS - attempt * 40 * _SECOND
    named: dict[str, AttributeValue] = {
        "service.name": "shop-desk", "leyden.rollout.id": f"{GROUP}/{attempt}", "leyden.group.id": GROUP,
        "leyden.attempt": attempt, "leyden.policy.version": "step-12",
    }  # fmt: skip

    def span(
        number: int, name: str, start: float, seconds: float, attributes: dict[str, AttributeValue], **rest: object
    ) -> Span:
        parent = None if number == 1 else 1
        begins = at + int(start * _SECOND)
        times = {"start_ns": begins, "end_ns": begins + int(seconds * _SECOND)}
        made = make(number, trace=attempt + 1, parent=parent, name=name, attributes=attributes, **times, **rest)  # type: ignore[arg-type]
        return replace(made, resource=named, service="shop-desk")

    agent: dict[str, AttributeValue] = {
        "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support", "gen_ai.conversation.id": "visitor-88",
    }  # fmt: skip
    yield span(1, "invoke_agent support", 0, 7.4, agent)
    tools = (
        ("find_order", '{"order": 1042}', _FOUND),
        ("refund", '{"order": 1042, "amount": 39.9}', '{"refunded": true}'),
    )
    if not good:
        tools = (("find_order", '{"order": 1042}', '{"error": "the warehouse does not answer"}'),) * 2
    when = 0.1
    for turn in range(3):
        told = [random.randrange(200, 32000) for _ in range((22, 18, 30)[turn])]
        if turn == 2 and attempt == 2:
            ids = [random.randrange(200, 32000) for _ in range(60)]
        if turn < 2:
            name, arguments, result = tools[turn]
            call = {"type": "tool_call", "id": f"call_{turn}", "name": name, "arguments": json.loads(arguments)}
            reply = {"role": "assistant", "parts": [call], "finish_reason": "tool_call"}
        else:
            reply = {**_said("assistant", _REPLIES[attempt % 2]), "finish_reason": "stop"}
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "chat", "gen_ai.request.model": "qwen3-4b", "gen_ai.response.model": "qwen3-4b",
            "gen_ai.usage.input_tokens": len(ids), "gen_ai.usage.output_tokens": len(told),
            "gen_ai.response.finish_reasons": [str(reply["finish_reason"])],
            "gen_ai.input.messages": json.dumps(asked), "gen_ai.output.messages": json.dumps([reply]),
            "leyden.prompt_token_ids": list(ids), "leyden.response_token_ids": told,
            "leyden.response_logprobs": [-abs(random.gauss(0, 0.3 if random.random() < 0.8 else 2.5)) for _ in told],
        }  # fmt: skip
        yield span(2 + 2 * turn, "chat qwen3-4b", when, 1.6, attributes, kind="Client", scope_name=_SCOPE)
        when += 1.7
        ids = [*ids, *told]
        if turn < 2:
            failed = "error" in result
            done: dict[str, AttributeValue] = {
                "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name,
                "gen_ai.tool.call.id": f"call_{turn}",
                "gen_ai.tool.call.arguments": arguments, "gen_ai.tool.call.result": result,
            }  # fmt: skip
            status = {"status": "Error", "status_message": "the warehouse does not answer"} if failed else {}
            yield span(3 + 2 * turn, f"execute_tool {name}", when, 0.4, done, **status)
            when += 0.5
            answer = {
                "role": "tool",
                "parts": [{"type": "tool_call_response", "id": f"call_{turn}", "response": result}],
            }
            asked = [*asked, reply, answer]
            ids = [*ids, *(random.randrange(200, 32000) for _ in range(14))]


def _trace(number: int, agent: str, service: str, model: str, random: Random, *, at_ns: int) -> Iterator[Span]:
    length = random.randrange(2, 14) * _SECOND
    resource: dict[str, AttributeValue] = {"service.name": service}

    def span(n: int, name: str, at: float, took: float, attributes: dict[str, AttributeValue], **rest: object) -> Span:
        times = {"start_ns": at_ns + int(at * length), "end_ns": at_ns + int((at + took) * length)}
        made = make(n, trace=number, parent=None if n == 1 else 1, name=name, attributes=attributes, **times, **rest)  # type: ignore[arg-type]
        return replace(made, resource=resource, service=service)

    session = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": agent,
        "session.id": f"visitor-{90 + number % 5}",
    }
    yield span(1, f"invoke_agent {agent}", 0, 1, dict(session))
    chat: dict[str, AttributeValue] = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": model, "gen_ai.usage.input_tokens": 900,
        "gen_ai.usage.output_tokens": 120,
        "gen_ai.input.messages": json.dumps([_said("user", "How were sales in May?")]),
        "gen_ai.output.messages": json.dumps([{**_said("assistant", "Up by 4 %."), "finish_reason": "stop"}]),
    }  # fmt: skip
    yield span(2, f"chat {model}", 0.05, 0.4, chat, kind="Client", scope_name=_SCOPE)
    failed = {"status": "Error", "status_message": "timeout"} if number % 6 == 0 else {}
    yield span(
        3,
        "execute_tool query",
        0.5,
        0.1,
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "query"},
        **failed,
    )
    yield span(4, f"chat {model}", 0.65, 0.3, chat, kind="Client", scope_name=_SCOPE)


def _said(role: str, text: str) -> dict[str, object]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}

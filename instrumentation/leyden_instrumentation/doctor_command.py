"""What is captured of a command: it is run recorded, against a sink of ours, and its spans are counted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from leyden_instrumentation import doctor_settings, settings
from leyden_instrumentation.doctor_findings import Finding
from leyden_instrumentation.doctor_sink import Received, Sink
from leyden_instrumentation.launch import environment
from leyden_instrumentation.spans import is_llm, is_tool

_CONTENT = (
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.prompt.0",
    "gen_ai.completion.",
    "llm.input_messages",
    "llm.output_messages",
    "input.value",
    "output.value",
)
_CONTENT_EVENTS = ("gen_ai.user.message", "gen_ai.choice", "gen_ai.client.inference.operation.details")


@dataclass(frozen=True, slots=True)
class Capture:
    """What a command left.

    llm_calls: by response id, so that a call seen by two instrumentations counts once
    scopes:    spans by the instrumentation that made them
    hosts:     servers of the LLM calls without token ids, where the spans name them
    """

    command: list[str]
    exit_code: int
    spans: int
    traces: int
    roots: int
    llm_calls: int
    with_content: int
    with_token_ids: int
    tool_spans: int
    synthetic_tool_spans: int
    dropped_attributes: int
    scopes: dict[str, int]
    hosts: list[str]


def run(command: Sequence[str], env: Mapping[str, str]) -> Capture:
    """Run the command to its end. What it prints goes to our stderr. OSError if it cannot be started."""
    with Sink() as sink:
        recorded = environment(env, endpoint=sink.url)
        recorded |= {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        recorded.pop("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", None)
        sys.stderr.flush()
        done = subprocess.run(list(command), env=recorded, stdout=sys.stderr.fileno(), check=False)
        return _count(list(command), done.returncode, sink.spans)


def findings(capture: Capture, env: Mapping[str, str]) -> Iterator[Finding]:
    """What it means. env: the user's environment with the distro's defaults."""
    if capture.exit_code:
        yield Finding("warn", "command", f"ended with exit code {capture.exit_code}")
    if not capture.spans:
        yield _nothing(capture.command)
        return
    scopes = ", ".join(f"{name} {n}" for name, n in capture.scopes.items())
    several = capture.traces > 1
    traces, roots = f"{capture.traces} trace{'s' * several}", f"{capture.roots} root{'s' * (capture.roots != 1)}"
    yield Finding(
        "warn" if several else "ok",
        "spans",
        f"{capture.spans} in {traces}, {roots} ({scopes})",
        f"unset {settings.ROOT_SPAN}" if several and not settings.enabled(settings.ROOT_SPAN, env) else None,
    )
    if capture.dropped_attributes:
        says = f"{capture.dropped_attributes} were dropped: the spans' limits are too low"
        yield Finding("fault", "attributes", says, "export OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=4096")
    yield from _calls(capture, env)
    made_up = f", {capture.synthetic_tool_spans} put together from the conversation"
    none = "none: no call of a tool was recorded, or its result never went back to the model"
    tools = f"{capture.tool_spans}{made_up if capture.synthetic_tool_spans else ''}" if capture.tool_spans else none
    yield Finding("ok", "tool spans", tools)


def _calls(capture: Capture, env: Mapping[str, str]) -> Iterator[Finding]:
    calls = capture.llm_calls
    if not calls:
        says = "none was captured; is the library that makes them listed above, with an instrumentation?"
        yield Finding("fault", "LLM calls", says, "leyden doctor   # in the environment of the command")
        return
    content = f"{capture.with_content} of {calls} with content"
    if capture.with_content == calls:
        yield Finding("ok", "LLM calls", content)
    elif settings.enabled(settings.CAPTURE_CONTENT, env):
        yield Finding("fault", "LLM calls", f"{content}; see content and openai above for what keeps it out")
    else:
        yield Finding("warn", "LLM calls", f"{content}: it is off", f"unset {settings.CAPTURE_CONTENT}")
    ids = f"{capture.with_token_ids} of {calls} calls have them"
    if capture.with_token_ids == calls:
        yield Finding("ok", "token ids", ids)
        return
    asked = [doctor_settings.token_ids(env, host) for host in capture.hosts] or [doctor_settings.token_ids(env)]
    why = next((one for one in asked if one.level != "ok"), None)
    if why is not None:
        yield Finding("warn", "token ids", f"{ids}: {why.says}", why.fix)
    else:
        yield Finding("warn", "token ids", f"{ids}: the server was asked and gave none; vLLM gives them from 0.10.2 on")


def _nothing(command: list[str]) -> Finding:
    flags = [a for a in command[1:] if a.startswith("-") and not a.startswith("--")]
    isolated = next((f for f in flags[:3] if "I" in f or "E" in f), None)
    if "python" in os.path.basename(command[0]) and isolated:
        says = f"none: Python ignores PYTHONPATH when started with {isolated}"
        return Finding("fault", "spans", says, f"start it without {isolated}")
    says = "none: the command runs no Python, or one without Leyden, or it replaced its environment"
    return Finding("fault", "spans", says, "pip install leyden   # in the command's environment")


def _count(command: list[str], exit_code: int, spans: list[Received]) -> Capture:
    known = {s.span_id for s in spans}
    calls: dict[str, list[Received]] = {}
    for span in filter(is_llm, spans):
        calls.setdefault(str(span.attributes.get("gen_ai.response.id") or span.span_id), []).append(span)
    without = [s for c in calls.values() if not any(map(_has_ids, c)) for s in c]
    hosts = {str(s.attributes["server.address"]) for s in without if s.attributes.get("server.address")}
    tools = [s for s in spans if is_tool(s)]
    return Capture(
        command=command,
        exit_code=exit_code,
        spans=len(spans),
        traces=len({s.trace_id for s in spans}),
        roots=sum(s.parent_id not in known for s in spans),
        llm_calls=len(calls),
        with_content=sum(any(map(has_content, c)) for c in calls.values()),
        with_token_ids=sum(any(map(_has_ids, c)) for c in calls.values()),
        tool_spans=len(tools),
        synthetic_tool_spans=sum(bool(s.attributes.get("leyden.synthetic")) for s in tools),
        dropped_attributes=sum(s.dropped_attributes for s in spans),
        scopes=dict(Counter(s.scope for s in spans).most_common()),
        hosts=sorted(hosts),
    )


def has_content(span: Received) -> bool:
    """Whether a span says what was said."""
    held = (k for k, v in span.attributes.items() if v != "__REDACTED__")
    return any(k.startswith(_CONTENT) for k in held) or any(e in _CONTENT_EVENTS for e in span.events)


def _has_ids(span: Received) -> bool:
    return any(name.startswith("leyden.response_token_ids") for name in span.attributes)

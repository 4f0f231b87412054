"""Each library that is installed, with what records it: a small program on it is recorded, and its spans looked at."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from leyden_instrumentation import settings
from leyden_instrumentation.doctor_command import has_content
from leyden_instrumentation.doctor_echo import EchoServer
from leyden_instrumentation.doctor_findings import Finding
from leyden_instrumentation.doctor_packages import installed_version
from leyden_instrumentation.doctor_programs import MODULES, PROGRAMS
from leyden_instrumentation.doctor_sink import Sink
from leyden_instrumentation.launch import environment
from leyden_instrumentation.libraries import LIBRARIES, OPENAI, Choice, Library, choose, conflict_of
from leyden_instrumentation.spans import is_llm

_TIME_LIMIT = 45.0
"""Seconds; a framework may take ten to import on a busy machine."""

_AGENTS = frozenset({"autogen", "crewai", "openai-agents", "pydantic-ai", "smolagents"})
"""Libraries whose program must leave an agent's span too: their instrumentation is what makes it."""

_QUIET = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}
_IN_THE_WAY = ("OTEL_SDK_DISABLED", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_TRACES_EXPORTER")


@dataclass(frozen=True, slots=True)
class Tried:
    """What was recorded of a library's program.

    llm_calls, agents: spans seen
    error: what the program said where it failed, or why it was not run
    """

    library: str
    instrumentation: str | None
    llm_calls: int = 0
    agents: int = 0
    content: bool = False
    error: str | None = None


def installed() -> list[Library]:
    """The libraries here, without openai itself."""
    return [one for one in LIBRARIES if one is not OPENAI and installed_version(one.distribution) is not None]


def try_all(env: Mapping[str, str]) -> list[Tried]:
    """Record each library's program under `env`, the user's environment, two at a time."""
    choices = [choose(library, env) for library in installed()]
    with EchoServer() as echo, ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda choice: _try(choice, echo.url, env), choices))


def findings(tried: Sequence[Tried], env: Mapping[str, str]) -> Iterator[Finding]:
    """What it means, and what is to be done."""
    by_name = {one.name: one for one in LIBRARIES}
    for one in tried:
        library = by_name[one.library]
        subject = f"{library.distribution} {installed_version(library.distribution)}"
        choice = choose(library, env)
        extra = f"pip install 'leyden[{library.name}]'"
        conflict = None if one.instrumentation is None or choice.native else _conflict(one.instrumentation)
        if conflict is not None:
            yield Finding("fault", subject, f"nothing records it: {one.instrumentation}: {conflict}", extra)
            continue
        if one.instrumentation is None:
            asked = choice.why.endswith("says so")
            if library.name == "bedrock" and not asked:
                # Most programs that use AWS ask no model of it.
                continue
            fix = f"unset {library.setting}" if asked else extra
            yield Finding("warn", subject, f"nothing records it: {choice.why}", fix)
            continue
        by = (
            "itself" if choice.native else f"{one.instrumentation} {installed_version(one.instrumentation) or '(gone)'}"
        )
        if choice.in_vain:
            yield Finding("warn", subject, choice.why, extra)
        if library.name not in PROGRAMS or (one.error and not one.llm_calls and one.error.startswith("not tried")):
            why = "" if one.error is None else f" ({one.error})"
            yield Finding("ok", subject, f"recorded by {by}{why}")
        elif one.error is not None and not one.llm_calls:
            yield Finding("warn", subject, f"could not be tried: {one.error}", extra)
        else:
            yield _judge(one, subject, by, extra, env)


def _judge(one: Tried, subject: str, by: str, extra: str, env: Mapping[str, str]) -> Finding:
    missing = [
        name
        for name, wanted, seen in (
            ("a call of a model", True, one.llm_calls),
            ("an agent", one.library in _AGENTS, one.agents),
            ("content", settings.enabled(settings.CAPTURE_CONTENT, env), one.content),
        )
        if wanted and not seen
    ]
    if missing:
        says = f"recorded by {by}, which emits no span of {' or '.join(missing)}: these versions do not go together"
        return Finding("fault", subject, says, extra.replace("install", "install -U"))
    agent = f", {one.agents} of an agent" if one.agents else ""
    return Finding(
        "ok", subject, f"recorded by {by}: {one.llm_calls} span{'s' * (one.llm_calls != 1)} of a call{agent}"
    )


def _try(choice: Choice, url: str, env: Mapping[str, str]) -> Tried:
    name = choice.library.name
    if choice.distribution is None or name not in PROGRAMS:
        return Tried(name, choice.distribution)
    if not _importable(MODULES.get(name, choice.library.module)):
        return Tried(name, choice.distribution, error=f"not tried: {MODULES[name]} is not installed")
    with Sink() as sink:
        recorded = environment({k: v for k, v in env.items() if k not in _IN_THE_WAY} | _QUIET, endpoint=sink.url)
        recorded |= {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "AWS_EC2_METADATA_DISABLED": "true"}
        recorded.pop("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", None)
        command = [sys.executable, "-P", "-m", "leyden_instrumentation.doctor_programs", name, url]
        error = None
        try:
            done = subprocess.run(
                command, env=recorded, capture_output=True, text=True, timeout=_TIME_LIMIT, check=False
            )
            if done.returncode:
                error = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        except subprocess.TimeoutExpired:
            error = f"it did not finish within {_TIME_LIMIT:.0f} s"
        spans = sink.spans
    calls = [span for span in spans if is_llm(span)]
    agents = sum(
        s.attributes.get("gen_ai.operation.name") == "invoke_agent"
        or s.attributes.get("openinference.span.kind") == "AGENT"
        for s in spans
    )
    return Tried(name, choice.distribution, len(calls), agents, any(map(has_content, calls)), error)


def _conflict(distribution: str) -> str | None:
    return conflict_of(distribution) if installed_version(distribution) is not None else None


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False

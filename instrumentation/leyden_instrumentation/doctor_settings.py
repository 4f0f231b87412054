"""What the environment asks of the capture, and where it asks for less than it seems to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from leyden_instrumentation import settings
from leyden_instrumentation.doctor_findings import Finding
from leyden_instrumentation.libraries import OPENAI
from leyden_instrumentation.token_fields import is_private

_GENAI_VALUES = ("SPAN_ONLY", "SPAN_AND_EVENT", "EVENT_ONLY", "NO_CONTENT")
_ATTRIBUTES_WANTED = 1024
"""Attributes a span needs room for where messages are flattened, some 20 a message."""


def findings(env: Mapping[str, str]) -> Iterator[Finding]:
    """env: the user's environment with the distro's defaults."""
    yield from _switches(env)
    yield from _content(env)
    yield token_ids(env)
    yield from _limits(env)


def base_url(env: Mapping[str, str]) -> str:
    """The server that an openai client asks by default."""
    return env.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"


def token_ids(env: Mapping[str, str], host: str | None = None) -> Finding:
    """Whether a server (that of OPENAI_BASE_URL if no host is given) is asked for token ids, and why."""
    mode = settings.token_ids_mode(env)
    host = host or urlsplit(base_url(env)).hostname or ""
    subject, setting = "token ids", env.get(settings.TOKEN_IDS)
    if mode == "on":
        return Finding("ok", subject, f"{settings.TOKEN_IDS}={setting}: every server is asked for them, {host} too")
    if mode == "off":
        if setting:
            return Finding(
                "warn", subject, f"not asked for: {settings.TOKEN_IDS}={setting}", f"unset {settings.TOKEN_IDS}"
            )
        return Finding("warn", subject, "not asked for: content is off", f"unset {settings.CAPTURE_CONTENT}")
    if is_private(host):
        return Finding("ok", subject, f"{host} is asked for them: it is on a private network")
    says = f"{host} is not asked for them: it is no private address, and hosted APIs refuse the field"
    return Finding(
        "warn", subject, says, f"export {settings.TOKEN_IDS}=on   # if it takes return_token_ids, as vLLM does"
    )


def content_fix(distribution: str, env: Mapping[str, str]) -> str | None:
    """What lets the content through, where one of the user's variables keeps an OpenAI instrumentation from it."""
    if distribution == OPENAI.choices["genai"]:
        return f"export {settings.GENAI_CONTENT}=SPAN_ONLY" if settings.GENAI_CONTENT in env else None
    prefix = {
        OPENAI.choices["traceloop"]: "TRACELOOP_TRACE_CONTENT",
        OPENAI.choices["openinference"]: "OPENINFERENCE_HIDE_",
    }.get(distribution)
    names = sorted(name for name in env if prefix is not None and name.startswith(prefix))
    return f"unset {' '.join(names)}" if names else None


def _switches(env: Mapping[str, str]) -> Iterator[Finding]:
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield Finding(
            "fault", "OpenTelemetry", "OTEL_SDK_DISABLED=true: nothing is recorded", "unset OTEL_SDK_DISABLED"
        )
    exporters = env.get("OTEL_TRACES_EXPORTER", "otlp")
    if "otlp" not in exporters:
        yield Finding(
            "fault", "exporter", f"OTEL_TRACES_EXPORTER={exporters}: no span goes out", "unset OTEL_TRACES_EXPORTER"
        )
    sampler = env.get("OTEL_TRACES_SAMPLER", "")
    if sampler.endswith(("always_off", "traceidratio")):
        fix = "unset OTEL_TRACES_SAMPLER"
        yield Finding("fault", "sampling", f"OTEL_TRACES_SAMPLER={sampler}: rollouts go missing", fix)
    for name in ("OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR"):
        if env.get(name, "leyden") != "leyden":
            says = f"{name}={env[name]}: Leyden's capture is not set up"
            yield Finding("fault", "set-up", says, f"export {name}=leyden")
    disabled = {n.strip() for n in env.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")}
    if disabled & {"openai", "*"}:
        says = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS keeps every OpenAI instrumentation out, not only one"
        fix = f"unset OTEL_PYTHON_DISABLED_INSTRUMENTATIONS   # {OPENAI.setting} chooses one"
        yield Finding("fault", "set-up", says, fix)


def _content(env: Mapping[str, str]) -> Iterator[Finding]:
    if not settings.enabled(settings.CAPTURE_CONTENT, env):
        says = f"off: {settings.CAPTURE_CONTENT}={env[settings.CAPTURE_CONTENT]}"
        yield Finding("warn", "content", says, f"unset {settings.CAPTURE_CONTENT}")
        return
    asked = env.get(settings.GENAI_CONTENT, "SPAN_ONLY").strip()
    fix = f"export {settings.GENAI_CONTENT}=SPAN_ONLY"
    if asked.upper() not in _GENAI_VALUES:
        says = f"{settings.GENAI_CONTENT}={asked} means no content; it takes {', '.join(_GENAI_VALUES)}"
        yield Finding("fault", "content", says, fix)
    elif asked.upper() in ("EVENT_ONLY", "NO_CONTENT"):
        yield Finding("warn", "content", f"{settings.GENAI_CONTENT}={asked} keeps content off the spans", fix)
    else:
        yield Finding("ok", "content", "on: messages, tool arguments and results are recorded")


def _limits(env: Mapping[str, str]) -> Iterator[Finding]:
    faults = []
    for name in ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"):
        if env.get(name, "").isdigit() and int(env[name]) < _ATTRIBUTES_WANTED:
            says = f"{name}={env[name]}: long conversations lose their oldest messages"
            faults.append(Finding("fault", "span limits", says, f"export {name}=4096"))
            break
    for name in ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"):
        if env.get(name):
            says = f"{name}={env[name]}: messages longer than that are cut"
            faults.append(Finding("fault", "span limits", says, f"unset {name}"))
    count = env.get("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT") or env.get("OTEL_ATTRIBUTE_COUNT_LIMIT") or "128"
    yield from faults or [Finding("ok", "span limits", f"{count} attributes a span, values of any length")]

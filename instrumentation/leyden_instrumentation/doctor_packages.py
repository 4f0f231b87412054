"""What is installed, by distribution: LLM libraries, and the instrumentations that OpenTelemetry would find."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts

from leyden_instrumentation.doctor_findings import Finding
from leyden_instrumentation.libraries import normal_name

LIBRARIES = {
    "openai": "opentelemetry-instrumentation-openai",
    "anthropic": "opentelemetry-instrumentation-anthropic",
    "autogen-agentchat": "openinference-instrumentation-autogen-agentchat",
    "crewai": "opentelemetry-instrumentation-crewai",
    "google-genai": "opentelemetry-instrumentation-google-genai",
    "langchain-core": "opentelemetry-instrumentation-langchain",
    "litellm": "openinference-instrumentation-litellm",
    "llama-index-core": "opentelemetry-instrumentation-llamaindex",
    "mcp": "opentelemetry-instrumentation-mcp",
    "openai-agents": "opentelemetry-instrumentation-openai-agents",
    "smolagents": "openinference-instrumentation-smolagents",
}
"""Libraries that agents are built of, and an instrumentation to install where none is."""

_COVERED_AS = {"langgraph": "langchain-core", "langchain": "langchain-core", "llama-index": "llama-index-core"}


@dataclass(frozen=True, slots=True)
class Instrumentation:
    """One entry point of `opentelemetry_instrumentor`.

    libraries: what it instruments, by distribution
    conflict:  why OpenTelemetry would pass it over: the installed version of its library does not suit it
    needs:     what would suit it, as pip takes it
    """

    distribution: str
    version: str
    entry_point: metadata.EntryPoint
    libraries: frozenset[str]
    conflict: str | None
    needs: str | None


def installed_version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def instrumentations() -> list[Instrumentation]:
    """All of them, by name of the distribution."""
    found = []
    for entry_point in metadata.entry_points(group="opentelemetry_instrumentor"):
        if entry_point.dist is None:
            continue
        conflict = get_dist_dependency_conflicts(entry_point.dist)
        clash = conflict is not None and bool(conflict.found or conflict.found_any)
        needs = str(conflict.required).partition(";")[0].strip() if conflict and conflict.required else None
        found.append(
            Instrumentation(
                distribution=normal_name(entry_point.dist.name),
                version=entry_point.dist.version,
                entry_point=entry_point,
                libraries=frozenset(_instrumented(entry_point.dist)),
                conflict=" ".join(str(conflict).split()) if clash else None,
                needs=needs if clash else None,
            )
        )
    return sorted(found, key=lambda i: i.distribution)


def findings(found: list[Instrumentation]) -> Iterator[Finding]:
    """Each LLM library with what records it, and each instrumentation that does not suit its library."""
    for library, advised in LIBRARIES.items():
        version = installed_version(library)
        if version is None:
            continue
        by = [f"{i.distribution} {i.version}" for i in found if library in i.libraries]
        if by:
            yield Finding("ok", f"{library} {version}", f"instrumented by {', '.join(by)}")
        else:
            yield Finding("warn", f"{library} {version}", "nothing installed records it", f"pip install {advised}")
    if not any(installed_version(library) for library in LIBRARIES):
        yield Finding("warn", "LLM libraries", "none that we know is installed in this environment")
    for one in found:
        if one.conflict is not None:
            fix = f"pip install '{one.needs}'" if one.needs else f"pip install -U {one.distribution}"
            yield Finding("warn", f"{one.distribution} {one.version}", f"is passed over: {one.conflict}", fix)


def _instrumented(distribution: metadata.Distribution) -> Iterator[str]:
    for requirement in distribution.requires or ():
        name, _, marker = requirement.partition(";")
        match = re.match(r"[\w.-]+", name)
        if "instruments" in marker and match is not None:
            library = normal_name(match[0])
            yield _COVERED_AS.get(library, library)

"""What is installed, by distribution: LLM libraries, and the instrumentations that OpenTelemetry would find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata

from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts

from leyden_instrumentation.doctor_findings import Finding
from leyden_instrumentation.libraries import LIBRARIES, choose, library_of, normal_name


@dataclass(frozen=True, slots=True)
class Instrumentation:
    """One entry point of `opentelemetry_instrumentor`.

    conflict:  why OpenTelemetry would pass it over: the installed version of its library does not suit it
    needs:     what would suit it, as pip takes it
    """

    distribution: str
    version: str
    entry_point: metadata.EntryPoint
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
                conflict=" ".join(str(conflict).split()) if clash else None,
                needs=needs if clash else None,
            )
        )
    return sorted(found, key=lambda i: i.distribution)


def findings(found: list[Instrumentation], env: Mapping[str, str]) -> Iterator[Finding]:
    """Whether there is anything to record, and each instrumentation that does not suit its library."""
    if not any(installed_version(library.distribution) for library in LIBRARIES):
        yield Finding("warn", "LLM libraries", "none that we know is installed in this environment")
    for one in found:
        library = library_of(one.distribution)
        # What another instrumentation stands in for is not missed.
        wanted = library is None or choose(library, env).distribution == one.distribution
        if one.conflict is not None and wanted:
            fix = f"pip install '{one.needs}'" if one.needs else f"pip install -U {one.distribution}"
            yield Finding("warn", f"{one.distribution} {one.version}", f"is passed over: {one.conflict}", fix)

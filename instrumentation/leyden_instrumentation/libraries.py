"""The libraries that agents are built of, and for each the instrumentations that can record it, best first.

One of them is loaded for a library, never two; and only when the program imports the library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata

from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts

NATIVE = "native"
"""The choice of libraries that emit OpenTelemetry spans themselves: nothing is loaded for them."""


@dataclass(frozen=True, slots=True)
class Library:
    """One library.

    name:         as in the extra `leyden[NAME]` and the setting LEYDEN_NAME_INSTRUMENTATION
    module:       whose import by the program loads the instrumentation
    distribution: what is installed where the library is
    choices:      instrumentations' distributions by the short name of their family, most preferred first
    alone:        variables that keep the library's own spans out where an instrumentation makes better ones
    """

    name: str
    module: str
    distribution: str
    choices: Mapping[str, str]
    alone: Mapping[str, str] = field(default_factory=dict)

    @property
    def setting(self) -> str:
        """The variable that chooses: one of `choices`, or `none`."""
        return f"LEYDEN_{self.name.upper().replace('-', '_')}_INSTRUMENTATION"

    @property
    def native(self) -> bool:
        return NATIVE in self.choices


def _families(name: str, *families: str) -> dict[str, str]:
    patterns = {
        "traceloop": "opentelemetry-instrumentation-{}",
        "genai": "opentelemetry-instrumentation-genai-{}",
        "openinference": "openinference-instrumentation-{}",
    }
    return {family: patterns[family].format(name) for family in families}


OPENAI = Library("openai", "openai", "openai", _families("openai", "genai", "traceloop", "openinference"))

LIBRARIES = (
    OPENAI,
    Library(
        "anthropic",
        "anthropic",
        "anthropic",
        _families("anthropic", "genai", "openinference", "traceloop"),
        {"ANTHROPIC_OPEN_TELEMETRY": "false"},
    ),
    Library(
        "google-genai",
        "google.genai",
        "google-genai",
        {
            "genai": "opentelemetry-instrumentation-google-genai",
            "openinference": "openinference-instrumentation-google-genai",
            "traceloop": "opentelemetry-instrumentation-google-generativeai",
        },
    ),
    Library("bedrock", "botocore", "botocore", _families("bedrock", "genai", "openinference", "traceloop")),
    Library("litellm", "litellm", "litellm", _families("litellm", "openinference", "traceloop")),
    Library(
        "langchain", "langchain_core", "langchain-core", _families("langchain", "genai", "openinference", "traceloop")
    ),
    Library(
        "openai-agents", "agents", "openai-agents", _families("openai-agents", "genai", "openinference", "traceloop")
    ),
    Library(
        "autogen",
        "autogen_agentchat",
        "autogen-agentchat",
        {NATIVE: "autogen-core", "openinference": "openinference-instrumentation-autogen-agentchat"},
    ),
    Library("ag2", "autogen", "ag2", _families("ag2", "openinference")),
    Library("crewai", "crewai", "crewai", _families("crewai", "openinference", "traceloop")),
    Library(
        "llama-index",
        "llama_index.core",
        "llama-index-core",
        {
            **_families("llama-index", "genai", "openinference"),
            "traceloop": "opentelemetry-instrumentation-llamaindex",
        },
    ),
    Library("smolagents", "smolagents", "smolagents", _families("smolagents", "openinference", "genai")),
    Library("pydantic-ai", "pydantic_ai", "pydantic-ai-slim", {NATIVE: "pydantic-ai-slim"}),
    Library("mcp", "mcp", "mcp", {NATIVE: "mcp", **_families("mcp", "traceloop", "openinference")}),
)
"""In the order in which the doctor tells of them: clients of models first, then frameworks."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The instrumentation of one library, None for none, and why it is that one.

    distribution: the library's own where it records itself
    in_vain:      the one that was asked for is not to be had
    """

    library: Library
    distribution: str | None
    why: str
    in_vain: bool = False

    @property
    def native(self) -> bool:
        return self.distribution is not None and self.distribution == self.library.choices.get(NATIVE)


def choose(library: Library, env: Mapping[str, str]) -> Choice:
    """The one asked for, else the first installed that takes the library's version."""
    asked = env.get(library.setting, "").strip().lower()
    setting = f"{library.setting}={asked}"
    if asked == "none":
        return Choice(library, None, f"{setting} says so")
    installed = [name for name in library.choices.values() if is_installed(name)]
    if asked in library.choices and library.choices[asked] in installed:
        return Choice(library, library.choices[asked], f"{setting} asks for it")
    first = next((name for name in installed if conflict_of(name) is None), installed[0] if installed else None)
    if asked:
        known = f"none of {', '.join(library.choices)}"
        fault = "not installed" if asked in library.choices else known
        return Choice(library, first, f"{setting} is {fault}; using {first or 'none'}", in_vain=True)
    return Choice(library, first, "the default: the first installed, in our order" if first else "none is installed")


def library_of(distribution: str) -> Library | None:
    """The library that an instrumentation's distribution is for, of those we know."""
    return next((one for one in LIBRARIES if normal_name(distribution) in one.choices.values()), None)


def is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def conflict_of(distribution: str) -> str | None:
    """Why OpenTelemetry would pass an installed instrumentation over: it says that it does not suit what is here."""
    conflict = get_dist_dependency_conflicts(metadata.distribution(distribution))
    return None if conflict is None else " ".join(str(conflict).split())


def normal_name(name: str) -> str:
    """A distribution's name as registries compare it."""
    return name.lower().replace("_", "-").replace(".", "-")

"""One instrumentation for each library: the best that is installed, or the one asked for, and no other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from leyden_instrumentation.distro import set_defaults
from leyden_instrumentation.libraries import LIBRARIES, OPENAI, Library, choose, is_installed, library_of
from tests.instrumentation.conftest import Run
from tests.support.otlp_sink import OtlpSink

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def test_the_first_installed_is_chosen_unless_one_is_asked_for() -> None:
    assert choose(OPENAI, {}).distribution == "opentelemetry-instrumentation-genai-openai"
    asked = choose(OPENAI, {"LEYDEN_OPENAI_INSTRUMENTATION": " TraceLoop "})
    assert (asked.distribution, asked.in_vain) == ("opentelemetry-instrumentation-openai", False)
    assert choose(OPENAI, {"LEYDEN_OPENAI_INSTRUMENTATION": "none"}).distribution is None
    wrong = choose(OPENAI, {"LEYDEN_OPENAI_INSTRUMENTATION": "other"})
    assert (wrong.distribution, wrong.in_vain) == ("opentelemetry-instrumentation-genai-openai", True)
    assert "none of genai, traceloop, openinference" in wrong.why


def test_every_choice_belongs_to_one_library() -> None:
    # A library that emits spans itself is its own choice.
    for library in LIBRARIES:
        for distribution in library.choices.values():
            assert library_of(distribution.replace("-", "_")) is library
    assert library_of("opentelemetry-instrumentation-requests") is None


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_every_library_has_an_extra_that_brings_its_first_choice(library: Library) -> None:
    extra = PROJECT["optional-dependencies"][library.name]
    names = {re.split(r"[\[<>=!; ]", requirement)[0] for requirement in [*extra, *PROJECT["dependencies"]]}
    assert (library.distribution if library.native else next(iter(library.choices.values()))) in names


def test_the_clients_own_spans_give_way_to_an_instrumentation_s() -> None:
    env: dict[str, str] = {}
    set_defaults(env)
    assert is_installed("anthropic")
    assert env["ANTHROPIC_OPEN_TELEMETRY"] == "false"
    without = {"LEYDEN_ANTHROPIC_INSTRUMENTATION": "none"}
    set_defaults(without)
    assert "ANTHROPIC_OPEN_TELEMETRY" not in without
    mine = {"ANTHROPIC_OPEN_TELEMETRY": "true"}
    set_defaults(mine)
    assert mine["ANTHROPIC_OPEN_TELEMETRY"] == "true"


def test_nothing_is_loaded_until_the_program_imports_the_library(
    recorded: dict[str, str], run: Run, sink: OtlpSink
) -> None:
    script = """
        import sys
        names = {"openai", "anthropic", "langchain_core", "agents", "litellm", "mcp", "pydantic_ai", "crewai"}
        print(sorted(names & set(sys.modules)))
    """
    assert run(script, env=recorded).stdout == "[]\n"


def test_an_instrumentation_that_does_not_suit_is_told_of_only_where_it_is_missed(
    recorded: dict[str, str], run: Run, tmp_path: Path
) -> None:
    """Distributions made up here: a library, and an instrumentation for another version of it."""
    for name, version, more in (
        ("crewai", "9.0", ""),
        (
            "openinference-instrumentation-crewai",
            "1.0",
            "Provides-Extra: instruments\nRequires-Dist: crewai<2 ; extra == 'instruments'\n",
        ),
    ):
        info = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}")
        (info / "entry_points.txt").write_text(
            "[opentelemetry_instrumentor]\ncrewai = nowhere:Instrumentor\n" if more else ""
        )
    (tmp_path / "crewai.py").write_text("")
    env = recorded | {"PYTHONPATH": f"{recorded['PYTHONPATH']}:{tmp_path}"}
    assert run("print('runs')", env=env).stderr == ""
    said = run("import crewai", env=env).stderr
    assert said.count("\n") == 1
    assert said.startswith("leyden: calls of crewai are not recorded: openinference-instrumentation-crewai: ")

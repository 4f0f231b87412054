"""`leyden doctor` says what is installed, what it really emits, what would be captured, and the fix for each fault."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from leyden_instrumentation import doctor_libraries
from leyden_instrumentation.distro import set_defaults
from leyden_instrumentation.doctor_collector import check
from leyden_instrumentation.doctor_findings import Finding
from leyden_instrumentation.doctor_libraries import Tried
from leyden_instrumentation.doctor_settings import findings
from leyden_instrumentation.libraries import LIBRARIES, OPENAI
from tests.instrumentation.conftest import EXAMPLES
from tests.support.fake_llm import FakeLlm
from tests.support.otlp_sink import OtlpSink

LEYDEN = Path(sys.executable).with_name("leyden")


def doctor(*arguments: str, env: dict[str, str]) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [LEYDEN, "doctor", "--json", *arguments], env=env, capture_output=True, text=True, timeout=180
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def judged(env: dict[str, str]) -> list[Finding]:
    full = dict(env)
    set_defaults(full)
    return list(findings(full))


def unsound(env: dict[str, str]) -> list[tuple[str, str, str | None]]:
    return [(f.level, f.subject, f.fix) for f in judged(env) if f.level != "ok"]


def test_a_sound_environment_has_no_fault(bare: dict[str, str], sink: OtlpSink, llm: FakeLlm) -> None:
    """Run whole, with a command: the example agent."""
    # Two of the libraries: each takes seconds to import.
    few = {
        library.setting: "none" for library in LIBRARIES if library.name not in ("openai", "anthropic", "openai-agents")
    }
    env = bare | llm.env() | few | {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
    code, report = doctor("--", sys.executable, str(EXAMPLES / "tool_agent" / "agent.py"), "tool: please", env=env)
    assert (code, report["faults"]) == (0, 0), report["findings"]
    assert report["openai"]["instrumentation"] == "opentelemetry-instrumentation-genai-openai"
    probes = report["probes"]
    assert len(probes) >= 3
    for probe in probes:
        seen = [probe[name] for name in ("spans", "content", "token_ids", "logprobs", "tool_calls", "error")]
        assert seen == [2, True, True, True, True, None], probe
    assert [p["distribution"] for p in probes if p["chosen"]] == ["opentelemetry-instrumentation-genai-openai"]
    tried = {t["library"]: t for t in report["libraries"]}
    for library in ("anthropic", "openai-agents"):
        assert (tried[library]["llm_calls"], tried[library]["content"], tried[library]["error"]) == (1, True, None)
    assert (tried["openai-agents"]["agents"], tried["langchain"]["instrumentation"]) == (1, None)
    command = report["command"]
    assert (command["exit_code"], command["traces"], command["roots"], command["spans"]) == (0, 1, 1, 5)
    assert (command["llm_calls"], command["with_content"], command["with_token_ids"]) == (2, 2, 2)
    assert (command["tool_spans"], command["synthetic_tool_spans"]) == (2, 2)
    assert sink.spans == []


def test_an_instrumentation_that_emits_nothing_is_found_by_running_it(
    bare: dict[str, str], sink: OtlpSink, tmp_path: Path
) -> None:
    """A distribution made up here, which imports what is not there, as openai-v2 does beside openai 3."""
    info = tmp_path / "opentelemetry_instrumentation_openai_v2-2.4b0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: opentelemetry-instrumentation-openai-v2\nVersion: 2.4b0\n"
    )
    (info / "entry_points.txt").write_text("[opentelemetry_instrumentor]\nopenai = silent:Instrumentor\n")
    (tmp_path / "silent.py").write_text("import a_module_that_moved")
    wrong = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true", "LEYDEN_OPENAI_INSTRUMENTATION": "genai"}
    others = {library.setting: "none" for library in LIBRARIES if library is not OPENAI}
    env = bare | wrong | others | {"PYTHONPATH": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
    code, report = doctor("--", sys.executable, "-I", "-c", "pass", env=env)
    by_subject = {f["subject"]: f for f in report["findings"]}
    silent = by_subject["opentelemetry-instrumentation-openai-v2 2.4b0"]
    assert silent["level"] == "warn"
    assert silent["says"] == "emits nothing: ModuleNotFoundError: No module named 'a_module_that_moved'"
    assert silent["fix"].endswith("openai-v2 && pip install opentelemetry-instrumentation-genai-openai")
    chosen = next(p for p in report["probes"] if p["chosen"])
    assert (chosen["distribution"], chosen["spans"], chosen["content"]) == (
        "opentelemetry-instrumentation-genai-openai",
        2,
        False,
    )
    genai = by_subject[f"{chosen['distribution']} {chosen['version']}"]
    assert genai["level"] == by_subject["content"]["level"] == "fault"
    fix = "export OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY"
    assert genai["fix"] == by_subject["content"]["fix"] == fix
    assert by_subject["spans"]["says"] == "none: Python ignores PYTHONPATH when started with -I"
    assert code == 1


def test_versions_that_emit_nothing_together_are_a_fault_with_its_fix() -> None:
    sound = Tried("pydantic-ai", "pydantic-ai-slim", llm_calls=1, agents=1, content=True)
    silent = Tried("anthropic", "opentelemetry-instrumentation-genai-anthropic")
    headless = Tried("openai-agents", "opentelemetry-instrumentation-genai-openai-agents", llm_calls=1, content=True)
    unrecorded, broken = Tried("litellm", None), Tried("langchain", "x-langchain", error="ImportError: gone")
    found = list(doctor_libraries.findings([sound, silent, headless, unrecorded, broken], {}))
    assert [f.level for f in found] == ["ok", "fault", "fault", "warn", "warn"]
    assert "emits no span of a call of a model or content" in found[1].says
    assert "emits no span of an agent" in found[2].says
    assert [f.fix for f in found[1:]] == [
        "pip install -U 'leyden[anthropic]'",
        "pip install -U 'leyden[openai-agents]'",
        "pip install 'leyden[litellm]'",
        "pip install 'leyden[langchain]'",
    ]


def test_every_setting_that_loses_data_is_named_with_its_fix() -> None:
    local = {"OPENAI_BASE_URL": "http://localhost:8000/v1"}
    assert unsound(local) == []
    cases: dict[str, tuple[str, str, str]] = {
        "OTEL_SDK_DISABLED=true": ("fault", "OpenTelemetry", "unset OTEL_SDK_DISABLED"),
        "OTEL_TRACES_EXPORTER=none": ("fault", "exporter", "unset OTEL_TRACES_EXPORTER"),
        "OTEL_TRACES_SAMPLER=always_off": ("fault", "sampling", "unset OTEL_TRACES_SAMPLER"),
        "OTEL_PYTHON_DISTRO=other": ("fault", "set-up", "export OTEL_PYTHON_DISTRO=leyden"),
        "OTEL_ATTRIBUTE_COUNT_LIMIT=128": ("fault", "span limits", "export OTEL_ATTRIBUTE_COUNT_LIMIT=4096"),
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=99": ("fault", "span limits", "unset OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
        "LEYDEN_TOKEN_IDS=off": ("warn", "token ids", "unset LEYDEN_TOKEN_IDS"),
    }
    for setting, expected in cases.items():
        name, _, value = setting.partition("=")
        assert unsound(local | {name: value}) == [expected]
    off = unsound(local | {"LEYDEN_CAPTURE_CONTENT": "false"})
    assert [(level, subject) for level, subject, _ in off] == [("warn", "content"), ("warn", "token ids")]


@pytest.mark.parametrize(
    ("url", "level"), [(None, "warn"), ("http://vllm:8000/v1", "ok"), ("http://10.0.0.2/v1", "ok")]
)
def test_token_ids_are_asked_of_private_servers(url: str | None, level: str) -> None:
    env = {"OPENAI_BASE_URL": url} if url else {}
    assert [f.level for f in judged(env) if f.subject == "token ids"] == [level]


def test_the_collector_is_asked_as_the_exporter_would(sink: OtlpSink) -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20secret"}
    assert check(env).level == "ok"
    assert (sink.headers[0][":path"], sink.headers[0]["authorization"]) == ("/v1/traces", "Bearer secret")
    away = check({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://user:secret@127.0.0.1:9"})
    assert (away.level, away.fix) == ("fault", "leyden up &")
    assert away.says == "http://127.0.0.1:9 does not answer: Connection refused"
    assert check({"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url.replace("//", "//user:secret@")}).level == "ok"
    assert sink.headers[-1]["authorization"].startswith("Basic ")

"""What the capture costs a process that does not use it: next to nothing is imported."""

from __future__ import annotations

import json

import pytest

from tests.instrumentation.conftest import Run
from tests.support.otlp_sink import OtlpSink

HEAVY = ("openai", "fastapi", "chdb", "polars", "pyarrow", "torch", "pydantic", "rich", "httpx")


def imported(run: Run, program: str, env: dict[str, str]) -> set[str]:
    done = run(f"import sys, json\n{program}\nprint(json.dumps(list(sys.modules)))", env=env)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_import_leyden_pulls_in_nothing_and_its_api_only_opentelemetry(bare: dict[str, str], run: Run) -> None:
    assert not any(m.startswith("opentelemetry") for m in imported(run, "import leyden, leyden_instrumentation", bare))
    modules = imported(run, "import leyden; leyden.reward(1); leyden.rollout().__enter__()", bare)
    assert "opentelemetry.trace" in modules
    assert not {m for m in modules if m.startswith("opentelemetry.sdk") or m.split(".")[0] in HEAVY}


def test_a_recorded_program_imports_openai_only_if_it_does(recorded: dict[str, str], run: Run, sink: OtlpSink) -> None:
    modules = imported(run, "", recorded)
    assert "opentelemetry.sdk.trace" in modules
    assert not {m for m in modules if m.split(".")[0] in HEAVY}
    assert [s.name for s in sink.spans] == ["invoke_workflow agent.py"]


def test_the_user_s_own_sitecustomize_still_runs(
    recorded: dict[str, str], run: Run, sink: OtlpSink, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = tmp_path_factory.mktemp("own")
    (own / "sitecustomize.py").write_text("import builtins; builtins.mine = 'set'")
    env = recorded | {"PYTHONPATH": f"{recorded['PYTHONPATH']}:{own}"}
    assert run("print(mine)", env=env).stdout == "set\n"
    assert len(sink.spans) == 1


def test_a_python_that_lacks_opentelemetry_runs_on_and_one_line_says_so(
    recorded: dict[str, str], run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    broken = tmp_path_factory.mktemp("broken")
    (broken / "opentelemetry").mkdir()
    (broken / "opentelemetry" / "__init__.py").write_text("raise ImportError('no opentelemetry here')")
    done = run("print('runs')", env=recorded | {"PYTHONPATH": f"{recorded['PYTHONPATH']}:{broken}"})
    assert (done.returncode, done.stdout) == (0, "runs\n")
    assert done.stderr.count("\n") == 1
    assert "runs unrecorded: no opentelemetry here" in done.stderr

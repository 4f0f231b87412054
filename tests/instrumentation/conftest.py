"""A sink, a fake model and real subprocesses for them: what the specifications of the capture run on."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opentelemetry.context import Context, attach, detach

from leyden_instrumentation import environment
from tests.support.fake_llm import FakeLlm
from tests.support.otlp_sink import OtlpSink

Run = Callable[..., "subprocess.CompletedProcess[str]"]

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def context_of_its_own() -> Iterator[None]:
    """A prompt that a test fills stays in use in its thread: the next test begins without it."""
    token = attach(Context())
    yield
    detach(token)


@pytest.fixture
def sink() -> Iterator[OtlpSink]:
    with OtlpSink() as listening:
        yield listening


@pytest.fixture
def llm() -> Iterator[FakeLlm]:
    with FakeLlm(policy_version=7) as listening:
        yield listening


@pytest.fixture
def bare() -> dict[str, str]:
    """This process's environment without anything that would steer the capture."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LEYDEN_", "TRACE", "PYTHONPATH"))}


@pytest.fixture
def recorded(sink: OtlpSink, llm: FakeLlm, bare: dict[str, str]) -> dict[str, str]:
    """The environment that `leyden run` would give, for the sink and the fake model of this test."""
    return environment(bare | llm.env(), endpoint=sink.url, rollout_id="r-1", group_id="g-1", attempt=2, project="demo")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a Python program, given as source or as a file, to its end."""

    def start(program: str | Path, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        if isinstance(program, str):
            (tmp_path / "agent.py").write_text(textwrap.dedent(program))
            program = tmp_path / "agent.py"
        command = [sys.executable, str(program), *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, cwd=tmp_path)

    return start

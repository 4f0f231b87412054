"""Each extra brings versions that work together: installed into an environment of its own, an agent run in it gives the
tree a person would draw. Marked `frameworks`: asks a package registry, and takes a minute or two each.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from leyden_store.lightning import LightningStore
from tests.examples.recording import CASES, EXAMPLES, outline, read, run, said, write
from tests.support.collector import Collector

ROOT = Path(__file__).parents[2]
BUNDLES = Path(__file__).parent / "bundles"
AGENTS = {
    "autogen": EXAMPLES / "autogen_team" / "agent.py",
    "crewai": BUNDLES / "crewai_agent.py",
    "llama-index": BUNDLES / "llama_index_agent.py",
    "smolagents": BUNDLES / "smolagents_agent.py",
    "google-genai": BUNDLES / "google_genai_agent.py",
    "bedrock": BUNDLES / "bedrock_agent.py",
}
"""An agent for each extra that the tests' own environment does not hold."""

ALSO = {"llama-index": ["llama-index-llms-openai-like"], "smolagents": ["openai"]}
"""What an agent needs beside the extra."""

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]


def environment_with(extra: str, folder: Path) -> str:
    """A fresh environment with `leyden[extra]`; its Python."""
    python = str(folder / "bin" / "python")
    wanted = [f"{ROOT}[{extra}]", *ALSO.get(extra, [])]
    uv = shutil.which("uv") or os.environ.get("UV")
    if uv:
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(folder)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", python, *wanted], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    return python


@pytest.mark.parametrize("extra", list(AGENTS))
def test_an_extra_s_versions_work_together(extra: str, collector: Collector, tmp_path: Path) -> None:
    python = environment_with(extra, tmp_path / "env")
    quiet = {"CREWAI_DISABLE_TELEMETRY": "true", "CREWAI_TRACING_ENABLED": "false"}
    recorded = run(AGENTS[extra], collector.url, python=python, **quiet)
    assert recorded.done.returncode == 0, recorded.done.stderr
    assert "leyden" not in recorded.done.stderr
    collector.flush()
    with LightningStore.open(collector.dsn) as store:
        trees, turns = read(store, recorded.rollout_id)
    name = "autogen_team" if extra == "autogen" else extra
    if os.environ.get("LEYDEN_WRITE_CASES"):
        write(name, trees, turns)
    assert outline(trees) == (CASES / name / "tree.txt").read_text()
    assert said(turns) == json.loads((CASES / name / "turns.json").read_text())
    assert len(turns) == len(recorded.requests)

"""A store with real captures in it, and the command line in a folder of the test's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.cli import Cli

CASES = Path(__file__).parents[1] / "store" / "dialects" / "cases"


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedded store's folder that three captures were ingested into; tests work on copies."""
    folder = tmp_path_factory.mktemp("filled")
    cli = Cli(folder, f"chdb://{folder}/store")
    cases = [CASES / f"{name}-toolloop" / "input.pb" for name in ("genai", "openinference", "traceloop")]
    assert "stored" in cli("ingest", *cases).stdout
    return folder / "store"


@pytest.fixture
def cli(filled: Path, tmp_path: Path) -> Cli:
    """Commands over a copy of the filled store."""
    shutil.copytree(filled, tmp_path / "store", symlinks=True)
    return Cli(tmp_path, f"chdb://{tmp_path}/store")


@pytest.fixture
def empty(tmp_path: Path) -> Cli:
    """Commands over a store that is not there yet."""
    return Cli(tmp_path, f"chdb://{tmp_path}/store")

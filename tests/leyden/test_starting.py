"""Commands start without what they do not need: each such import is a tenth of a second or more, every time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.cli import Cli

HEAVY = {"pandas", "sqlglot", "pyarrow.compute", "polars", "torch", "transformers", "fastapi", "datasets"}


@pytest.mark.parametrize("command", ["traces", "query list", "runs", "sessions", "prompt save p --text brief"])
def test_it_imports_nothing_heavy_for(command: str, tmp_path: Path) -> None:
    done = Cli(tmp_path)(*command.split(), PYTHONPROFILEIMPORTTIME="1")
    imported = set(re.findall(r"\| +([\w.]+)$", done.stderr, re.MULTILINE))
    assert "chdb" in imported
    assert not HEAVY & imported

"""One collector for all the examples: each run is a rollout of its own in its store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.collector import Collector


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    folder = tmp_path_factory.mktemp("examples")
    with Collector(f"chdb://{folder}/store", folder) as running:
        yield running


@pytest.fixture(autouse=True)
def _frameworks_only_where_asked_for(request: pytest.FixtureRequest) -> None:
    """A plain run asks no package registry."""
    marked = request.node.get_closest_marker("frameworks") is not None
    if marked and "frameworks" not in request.config.getoption("-m"):
        pytest.skip("NOT RUN: asks a package registry; pytest -m frameworks tests/examples runs it")

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

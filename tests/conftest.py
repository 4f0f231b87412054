"""What tests of several packages stand on: a ClickHouse server, and stores of both kinds, fresh for every test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from leyden_store.lightning import LightningStore
from tests.support.clickhouse_server import drop_database, new_database, server_or_skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests out unless they are asked for by their marker."""
    for marker in ("faults", "online", "seeds"):
        if marker not in config.option.markexpr:
            left = [item for item in items if item.get_closest_marker(marker) is None]
            config.hook.pytest_deselected(items=[item for item in items if item not in left])
            items[:] = left


BACKENDS = ["embedded", pytest.param("server", marks=pytest.mark.server)]
"""The two kinds of store; what holds of one holds of the other."""


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DSN of a ClickHouse server. Where none can be had the test says so and is skipped; in CI it fails."""
    named = os.environ.get("LEYDEN_TEST_CLICKHOUSE")
    if named:
        yield named
        return
    with server_or_skip(tmp_path_factory.mktemp("clickhouse") / "data") as server:
        yield server.dsn()


@pytest.fixture
def server_dsn(clickhouse: str) -> Iterator[str]:
    """A fresh database on the server."""
    dsn = new_database(clickhouse)
    yield dsn
    drop_database(dsn)


@pytest.fixture(params=BACKENDS)
def dsn(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh store's DSN, embedded and on a server in turn."""
    if request.param == "embedded":
        return f"chdb://{tmp_path}/store"
    found: str = request.getfixturevalue("server_dsn")
    return found


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a migrated store, to copy: that is quicker than migrating."""
    folder = tmp_path_factory.mktemp("empty") / "store"
    LightningStore.open(f"chdb://{folder}").close()
    return folder


@pytest.fixture
def store(dsn: str, empty_store: Path) -> Iterator[LightningStore]:
    """A fresh store, open in this process: one embedded store at a time is all that chDB allows."""
    if dsn.startswith("chdb://"):
        shutil.copytree(empty_store, dsn.removeprefix("chdb://"), symlinks=True)
    with LightningStore.open(dsn) as opened:
        yield opened

"""A real `leyden up` with a seeded store, and what the pages ask of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from leyden_store.lightning import LightningStore
from leyden_store.otlp import encode_traces
from tests.dashboards import seeding
from tests.dashboards.asking import Seeded


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    folder = tmp_path_factory.mktemp("dashboards")
    dsn = f"chdb://{folder}/store"
    command = [sys.executable, "-m", "leyden", "up", "--store", dsn, "--http-port", "0"]
    with (folder / "up.log").open("w") as log:
        up = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "CI": "", "LEYDEN_METRICS__EVERY_S": "0.5"},
        )
    try:
        url = _url(up, folder / "up.log")
        yield Seeded(url, _seed(url, dsn))
    finally:
        up.send_signal(signal.SIGINT)
        try:
            up.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            up.kill()
            up.communicate()


def _url(up: subprocess.Popen[str], log: Path) -> str:
    assert up.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+", up.stdout.readline())
    assert found, f"leyden up did not start: {log.read_text()}"
    return found[0]


def _seed(url: str, dsn: str) -> str:
    made = seeding.rollouts()
    again = made[3:9]  # an exporter's retry: the same spans in another request
    with httpx.Client(base_url=url, timeout=60) as client:
        headers = {"Content-Type": "application/x-protobuf"}
        for body in [*seeding.captures(), *(encode_traces(trace) for trace in [*made, *again])]:
            client.post("/v1/traces", content=body, headers=headers).raise_for_status()
        client.post("/api/flush").raise_for_status()
        client.post("/api/rewards", json=seeding.posted_rewards()).raise_for_status()
    with LightningStore.open(dsn) as store:
        return seeding.record_runs(store)[0].run_id

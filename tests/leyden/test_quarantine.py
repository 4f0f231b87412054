"""`leyden store quarantine`: what was set aside is listed with its reason, taken again by the spool, or dropped."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from leyden_store.otlp import encode_traces
from tests.collector.test_faults import POISON
from tests.support.cli import Cli
from tests.support.collector import Collector
from tests.support.otlp_making import make

NAME = "20260922T101112-00112233445566aa"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A spool with a request in quarantine whose fault is mended."""
    folder = tmp_path / "spool" / "quarantine"
    folder.mkdir(parents=True)
    (folder / f"{NAME}.pb").write_bytes(encode_traces([make(1)]))
    (folder / f"{NAME}.json").write_text(json.dumps({"reason": "the disk was odd that day"}))
    return tmp_path / "spool"


def test_it_is_listed_retried_without_a_collector_and_empty_then(tmp_path: Path, spool: Path) -> None:
    leyden = Cli(tmp_path, f"chdb://{tmp_path}/store")
    (item,) = leyden.lines("store", "quarantine", "list", "--json", "--spool", spool)
    assert (item["name"], item["signal"], item["reason"]) == (NAME, "traces", "the disk was odd that day")
    assert item["at"].startswith("2026-09-22T10:11:12")
    done = leyden("store", "quarantine", "retry", "--spool", spool)
    assert done.stdout == "took 1 of 1 requests\n"
    assert leyden("store", "quarantine", "list", "--spool", spool).stdout == ""
    assert [trace["name"] for trace in leyden.lines("traces", "--json")] == ["span 1"]


def test_a_running_collector_takes_it_and_what_is_bad_comes_back(tmp_path: Path, spool: Path) -> None:
    leyden = Cli(tmp_path, f"chdb://{tmp_path}/store")
    bad = f"20260922T101113-{hashlib.sha256(POISON).hexdigest()[:16]}"
    (spool / "quarantine" / f"{bad}.pb").write_bytes(POISON)
    with Collector(leyden.env["LEYDEN_STORE"], tmp_path) as running:
        done = leyden("store", "quarantine", "retry", "--spool", spool, code=1)
        assert done.stdout == "took 1 of 2 requests; 1 came back to quarantine\n"
        (item,) = leyden.lines("store", "quarantine", "list", "--json", "--spool", spool)
        assert item["bytes"] == len(POISON)
        assert running.query("SELECT SpanName FROM otel_traces").body == b"span 1\n"


def test_dropping_wants_a_yes_and_names_are_checked(tmp_path: Path, spool: Path) -> None:
    leyden = Cli(tmp_path, f"chdb://{tmp_path}/store")
    assert "--yes" in leyden.refused("store", "quarantine", "drop", "--spool", spool, code=2)
    said = leyden.refused("store", "quarantine", "drop", NAME[:-1] + "b", "--yes", "--spool", spool)
    assert NAME in said
    assert leyden("store", "quarantine", "drop", NAME, "--yes", "--spool", spool).stdout == "dropped 1 requests\n"
    assert list((spool / "quarantine").iterdir()) == []

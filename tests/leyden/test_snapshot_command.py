"""`leyden export` to a folder makes a snapshot: hashed, alike everywhere, whole or absent, traced to its spans."""

from __future__ import annotations

import json
import os
import pty
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from leyden_exporters.errors import SnapshotBroken
from leyden_exporters.skimmable import StoreSource
from leyden_exporters.snapshots import verify
from leyden_exporters.snapshots.manifest import sha256_of
from leyden_store.lightning import LightningStore
from tests.support.cli import Cli


def test_a_snapshot_says_what_it_holds_and_where_it_came_from(cli: Cli) -> None:
    cli("query", "save", "all", "--where", "1")
    (made,) = cli.lines("export", "--format", "trl-sft", "--query", "all", "--out", "data", "--json")
    folder = cli.folder / "data"
    manifest = verify(folder)
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "lineage.parquet",
        "manifest.json",
        "report.parquet",
        "train.parquet",
    ]
    assert (manifest["query"]["name"], manifest["query"]["version"]) == ("all", 1)
    assert manifest["sha256"] == made["sha256"]
    assert manifest["rows"] == made["rows"] == pq.read_table(folder / "train.parquet").num_rows > 0
    assert manifest["report"]["llm_spans"] == manifest["report"]["kept"] + sum(manifest["report"]["dropped"].values())
    fates = pq.read_table(folder / "report.parquet").to_pylist()
    assert len(fates) == manifest["report"]["llm_spans"]
    dropped = Counter(row["reason"] for row in fates if row["reason"])
    assert dropped == manifest["report"]["dropped"]
    for machine in (str(cli.folder), os.uname().nodename):
        assert machine not in (folder / "manifest.json").read_text()
    assert load_dataset(str(folder), split="train", cache_dir=str(cli.folder / "cache")).num_rows == made["rows"]
    (known,) = cli.lines("datasets", made["dataset_id"], "--json")
    assert (known["kind"], known["sha256"], known["manifest"]) == ("snapshot", made["sha256"], manifest)
    assert "snapshot" in cli("datasets").stdout
    assert "as its manifest says" in cli("datasets", "--verify", folder).stdout


def test_the_same_again_elsewhere_is_the_same_to_the_byte(cli: Cli, tmp_path: Path) -> None:
    other = Cli(tmp_path / "elsewhere", f"chdb://{tmp_path}/elsewhere/store")
    other.folder.mkdir()
    cli("export", "--format", "otlp", "--out", "spans.pb")
    other("ingest", cli.folder / "spans.pb")
    machines = (
        (cli, {"TZ": "America/New_York", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"}),
        (other, {"TZ": "Asia/Kolkata", "LC_ALL": "C", "PYTHONHASHSEED": "2", "PYTHONUTF8": "0"}),
    )
    for one, machine in machines:
        one("export", "--format", "turns", "--out", "data", "--shard-rows", "4", "--data", "jsonl.zst", **machine)
    names = sorted(p.name for p in (cli.folder / "data").iterdir())
    assert sum(name.startswith("train-0000") for name in names) > 1
    for name in names:
        assert (cli.folder / "data" / name).read_bytes() == (other.folder / "data" / name).read_bytes(), name


def test_a_changed_file_is_told(cli: Cli) -> None:
    cli("export", "--format", "turns", "--out", "data", "--data", "jsonl")
    with (cli.folder / "data" / "train.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(SnapshotBroken, match=r"train\.jsonl was changed"):
        verify(cli.folder / "data")
    assert "was changed" in cli.refused("datasets", "--verify", "data")
    assert "already exists" in cli.refused("export", "--format", "turns", "--out", "data")


def test_a_row_is_traced_to_its_spans_and_a_span_to_its_data_sets(cli: Cli) -> None:
    (made,) = cli.lines("export", "--format", "trajectories", "--out", "data", "--json")
    (turns,) = cli.lines("export", "--format", "turns", "--out", "turns.jsonl", "--json")
    span = json.loads((cli.folder / "turns.jsonl").read_text().splitlines()[0])["span_id"]
    (found,) = cli.lines("lineage", span, "--json")
    assert found["kind"] == "span"
    assert turns["dataset_id"] in [one["dataset_id"] for one in found["datasets"]]
    (back,) = cli.lines("lineage", turns["dataset_id"], "--json")
    assert (back["kind"], back["spans"]) == ("dataset", turns["rows"])
    assert back["rollouts"]
    assert "no data set, run" in cli.refused("lineage", "nothing")
    assert span in cli("lineage", span).stdout
    assert made["rows"] == 0


def test_a_recipe_curates_splits_and_counts(cli: Cli) -> None:
    (cli.folder / "recipe.toml").write_text('seed = 3\n[[steps]]\nstep = "dedup"\n[splits]\nvalidation = 0.5\n')
    flags = ["--recipe", "recipe.toml", "--step", "length:min_turns=1"]
    (made,) = cli.lines("export", "--format", "turns", "--out", "data", "--json", *flags)
    manifest = made["manifest"]
    assert [one["step"] for one in manifest["curation"]] == ["dedup", "length", "split train", "split validation"]
    assert manifest["report"]["dropped"]["curated"] > 0
    assert manifest["report"]["llm_spans"] == len(cli.lines("turns"))
    assert sum(manifest["splits"].values()) == made["rows"]
    assert set(manifest["splits"]) == {"train", "validation"}
    one_file = ["--format", "turns", "--out", "x.jsonl", "--split", "validation=0.5"]
    assert "give --out a folder" in cli.refused("export", *one_file, code=2)
    assert "did you mean dedup" in cli.refused("export", "--format", "turns", "--out", "y", "--step", "dedupe", code=2)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["trl-sft", "trajectories"])
def test_killed_anywhere_there_is_no_snapshot_or_a_whole_one(cli: Cli, form: str) -> None:
    started = time.monotonic()
    cli("export", "--format", form, "--out", "timed")
    took = time.monotonic() - started
    shutil.rmtree(cli.folder / "timed")
    chance = random.Random(7)
    for number in range(4):
        with cli.start("export", "--format", form, "--out", "data") as one:
            time.sleep(took * (0.55 + 0.15 * number) * chance.uniform(0.95, 1.05))
            one.kill()
        if (cli.folder / "data").exists():
            verify(cli.folder / "data")
            shutil.rmtree(cli.folder / "data")
    cli("export", "--format", form, "--out", "data")
    verify(cli.folder / "data")
    assert [p.name for p in cli.folder.iterdir() if p.name.endswith(".partial")] == []


def test_a_terminal_is_shown_how_many_of_all_are_read(cli: Cli) -> None:
    screen, terminal = pty.openpty()
    command = [sys.executable, "-m", "leyden", "export", "--format", "turns", "--out", "shown"]
    env = cli.env | {"TERM": "xterm", "COLUMNS": "100"}
    try:
        with open(screen, "rb", buffering=0, closefd=False) as reading:
            subprocess.run(command, cwd=cli.folder, env=env, stdout=subprocess.PIPE, stderr=terminal, check=True)
            drawn = reading.read(1 << 16).decode()
    finally:
        os.close(terminal)
        os.close(screen)
    with LightningStore.open(cli.env["LEYDEN_STORE"]) as store:
        count = StoreSource(store).count()  # as they were recorded: parts of one conversation count apart
    assert f"{count}/{count}" in drawn


@pytest.fixture(params=["s3", "gs"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """A bucket of a local double (moto's S3, gcp-storage-emulator): its URL, and the environment that leads there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    if request.param == "s3":
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        make = urllib.request.Request(f"{url}/bucket", method="PUT")
        keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
        env = {"AWS_ENDPOINT_URL": url, **keys}
    else:
        program = f"from gcp_storage_emulator.server import create_server as c; c('127.0.0.1', {port}, True).run()"
        command = [sys.executable, "-c", program]
        make = urllib.request.Request(f"{url}/storage/v1/b?project=p", data=b'{"name": "bucket"}')
        make.add_header("Content-Type", "application/json")
        # Without the second it looks for Google's own credentials, to ask what kind of bucket it is.
        env = {"STORAGE_EMULATOR_HOST": url, "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
    with (tmp_path / "double.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    urllib.request.urlopen(make, timeout=5).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline, (tmp_path / "double.log").read_text()
                    time.sleep(0.1)
            yield f"{request.param}://bucket", env
        finally:
            server.kill()


def test_a_snapshot_and_a_file_go_to_a_bucket(cli: Cli, bucket: tuple[str, dict[str, Any]]) -> None:
    url, env = bucket
    cli("export", "--format", "turns", "--out", "here")
    cli("export", "--format", "turns", "--out", f"{url}/some/set", **env)
    cli("export", "--format", "turns", "--out", f"{url}/turns.jsonl.zst", **env)
    program = (
        f"import fsspec, hashlib, json; fs = fsspec.filesystem('{url[:2]}');"
        "print(json.dumps({path: hashlib.sha256(fs.cat_file(path)).hexdigest() for path in fs.find('bucket')}))"
    )
    reading = subprocess.run(
        [sys.executable, "-c", program], env=cli.env | env, capture_output=True, text=True, check=True
    )
    there = json.loads(reading.stdout)
    here = {f"bucket/some/set/{path.name}": sha256_of(path) for path in (cli.folder / "here").iterdir()}
    assert there == {"bucket/turns.jsonl.zst": there["bucket/turns.jsonl.zst"], **here}
    again = cli.refused("export", "--format", "turns", "--out", f"{url}/some/set", **env)
    assert "already holds a snapshot" in again
    assert [one["path"] for one in cli.lines("datasets", "--json")][-2] == f"{url}/some/set"

"""Exports over the API: begun, watched, taken; and what cannot be made says why."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from leyden_store.otlp import encode_traces
from tests.support.collector import Answer, Collector, ask
from tests.support.otlp_making import chat, make

ADMIN = {"X_API_Key": "secret"}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    folder = tmp_path_factory.mktemp("exports")
    with Collector(f"chdb://{folder}/store", folder, "--require-keys", env={"LEYDEN_TOKEN": "secret"}) as running:
        for trace, project in ((1, "ours"), (2, "theirs")):
            spans = [make(1, trace=trace, project=project), chat(2, trace=trace, parent=1, project=project)]
            running.send(encode_traces(spans), **ADMIN)
        ask(f"{running.url}/api/flush", b"", **ADMIN)
        yield running


def post(collector: Collector, path: str, body: dict[str, Any], **headers: str) -> Answer:
    return ask(f"{collector.url}/api/{path}", json.dumps(body).encode(), content_type="application/json", **headers)


def finished(collector: Collector, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    begun = post(collector, "exports", body, **headers)
    assert begun.status == 202, begun.body
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        job: dict[str, Any] = ask(f"{collector.url}/api/exports/{begun.json()['export_id']}", **headers).json()
        if job["state"] in ("done", "failed"):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


@pytest.mark.parametrize("form", ["turns", "spans", "otlp", "openai-sft"])
def test_an_export_is_begun_watched_and_taken(collector: Collector, form: str) -> None:
    job = finished(collector, {"format": form, "where": "Project = 'ours'"}, **ADMIN)
    assert (job["state"], job["rows"]) == ("done", 2 if form in ("spans", "otlp") else 1), job
    taken = ask(f"{collector.url}/api/exports/{job['export_id']}/file", **ADMIN)
    assert hashlib.sha256(taken.body).hexdigest() == job["sha256"]
    log = ask(f"{collector.url}/api/audit?limit=1000", **ADMIN).json()["items"]
    assert {"export", "download"} <= {entry["action"] for entry in log if entry["key_id"] == "holder"}


def test_a_projects_key_exports_its_project_alone(collector: Collector) -> None:
    made = post(collector, "keys", {"name": "ours", "scopes": ["read", "write"], "project": "ours"}, **ADMIN)
    key = {"X_API_Key": made.json()["key"]}
    job = finished(collector, {"format": "turns"}, **key)
    lines = ask(f"{collector.url}/api/exports/{job['export_id']}/file", **key).body.splitlines()
    assert [json.loads(line)["trace_id"] for line in lines] == [f"{1:032x}"]
    foreign = finished(collector, {"format": "turns"}, **ADMIN)
    assert ask(f"{collector.url}/api/exports/{foreign['export_id']}", **key).status == 404
    listed = ask(f"{collector.url}/api/exports", **key).json()["items"]
    assert [item["export_id"] for item in listed] == [job["export_id"]]


def test_exporting_needs_reading_and_writing(collector: Collector) -> None:
    for scope in ("read", "write", "ingest"):
        key = post(collector, "keys", {"name": scope, "scopes": [scope]}, **ADMIN).json()["key"]
        assert post(collector, "exports", {"format": "turns"}, X_API_Key=key).status == 403


@pytest.mark.parametrize(
    ("body", "said"),
    [({"format": "nope"}, "nope"), ({"format": "turns", "where": "0"}, "no trace matches")],
)
def test_what_cannot_be_made_says_why(collector: Collector, body: dict[str, Any], said: str) -> None:
    job = finished(collector, body, **ADMIN)
    assert job["state"] == "failed"
    assert said in job["error"]
    answer = ask(f"{collector.url}/api/exports/{job['export_id']}/file", **ADMIN)
    assert (answer.status, answer.json()["error"]["code"]) == (409, "export_not_ready")


def test_what_is_asked_wrongly_is_refused_at_once(collector: Collector) -> None:
    assert post(collector, "exports", {"format": "turns", "query": "nope"}, **ADMIN).status == 404
    assert post(collector, "exports", {"format": "../x"}, **ADMIN).status == 422
    assert ask(f"{collector.url}/api/exports/nope", **ADMIN).status == 404

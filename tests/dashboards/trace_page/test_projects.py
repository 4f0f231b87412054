"""A key of one project sees and labels what is of its project on the pages: nothing of another, however it asks."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from leyden_store.otlp import encode_traces
from tests.support.collector import Collector, ask
from tests.support.otlp_making import chat, make

ADMIN = {"X-API-Key": "secret"}
OURS, THEIRS = f"{1:032x}", f"{2:032x}"
SECRET = "sesame"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that asks for keys: two projects, each with a rollout of a group; a rollout `both` in the two of them."""
    folder = tmp_path_factory.mktemp("guarded")
    with Collector(f"chdb://{folder}/store", folder, "--require-keys", env={"LEYDEN_TOKEN": "secret"}) as up:
        for number, project, said in ((1, "ours", "hello"), (2, "theirs", SECRET)):
            named = {
                "project": project,
                "rollout_id": f"r/{project}",
                "group_id": f"g/{project}",
                "session_id": f"s/{project}",
            }
            both = {"rollout_id": "both", "project": project}
            spans = [
                make(10 * number, trace=number, **named),
                chat(10 * number + 1, trace=number, parent=10 * number, said=said, **named),
                chat(10 * number + 2, trace=number + 100, said=f"{said} both", **both),
            ]
            assert up.send(encode_traces(spans), **ADMIN).status == 200
        ask(f"{up.url}/api/flush", b"", **ADMIN)
        for name, where in (("all", "1"), ("sly", "Project LIKE 'th%' OR 1")):
            httpx.put(f"{up.url}/api/queries/{name}", json={"where": where}, headers=ADMIN).raise_for_status()
        yield up.url


@pytest.fixture(scope="module")
def keys(guarded: str) -> dict[str, str]:
    made = {}
    for name, scopes, project in (
        ("writer", ["read", "write"], "ours"), ("reader", ["read"], "ours"), ("sender", ["ingest"], "ours"),
        ("all", ["read", "write"], ""),
    ):  # fmt: skip
        answer = httpx.post(
            f"{guarded}/api/keys", json={"name": name, "scopes": scopes, "project": project}, headers=ADMIN
        )
        made[name] = answer.json()["key"]
    return made


@pytest.fixture
def ours(guarded: str, keys: dict[str, str]) -> Iterator[httpx.Client]:
    """A browser that shows the project's key as browsers do: as a password."""
    with httpx.Client(base_url=guarded, auth=("any", keys["writer"]), timeout=60) as client:
        yield client


def test_without_a_key_a_browser_is_told_to_ask_for_one(guarded: str, keys: dict[str, str]) -> None:
    for path in ("/", f"/traces/{OURS}", "/static/page.js", "/status"):
        answer = httpx.get(guarded + path)
        assert answer.status_code == 401
        assert "Basic" in answer.headers["www-authenticate"]
    assert httpx.get(f"{guarded}/", auth=("any", keys["sender"])).status_code == 403


@pytest.mark.parametrize(
    "path",
    ["/", "/?q=hello", "/?query=all", "/?group=g/ours", f"/traces/{OURS}", "/rollouts/r/ours", f"/rollouts/{OURS}",
     "/rollouts/both", "/groups/g/ours", "/sessions", "/queries", "/queries/all", "/exports", "/labels/r/ours",
     f"/labels/{OURS}/{11:016x}", "/static/style.css"],
)  # fmt: skip
def test_its_own_pages_are_shown_and_nothing_else_is_on_them(ours: httpx.Client, path: str) -> None:
    answer = ours.get(path)
    assert answer.status_code == 200, answer.text
    for word in (SECRET, "theirs", THEIRS, f"{102:032x}"):
        assert word not in answer.text
    assert 'href="/runs"' not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/?q=sesame", "/?group=g/theirs", "/?rollout=r/theirs", "/?session=s/theirs", "/?query=sly"],
)  # fmt: skip
def test_a_list_asked_for_what_is_of_others_has_none_of_it(ours: httpx.Client, path: str) -> None:
    text = ours.get(path).text
    assert f"/traces/{THEIRS}" not in text
    assert f"/traces/{102:032x}" not in text


@pytest.mark.parametrize(
    "path",
    [f"/traces/{THEIRS}", f"/traces/{THEIRS.upper()}", f"/traces/{THEIRS[:31]}", "/traces/00", "/rollouts/r/theirs",
     f"/rollouts/{THEIRS}", "/groups/g/theirs", "/labels/r/theirs", f"/labels/{THEIRS}", f"/labels/{THEIRS}/{21:016x}",
     f"/labels/{21:016x}", "/exports/20260101-000000-none"],
)  # fmt: skip
def test_what_is_of_others_is_not_there_as_if_it_had_never_been(ours: httpx.Client, path: str) -> None:
    answer = ours.get(path)
    assert answer.status_code == 404, answer.text
    for word in (SECRET, f"{102:032x}", "several"):
        assert word not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/status", "/runs", "/runs/x", "/runs/", "//runs", "//status", "/%72uns", "/traces/../runs", "/static/../status",
     "/traces/%2e%2e/runs", "/;/runs", "/docs/../runs", "/queries/../../runs"],
)  # fmt: skip
def test_pages_of_all_projects_stay_shut(ours: httpx.Client, path: str) -> None:
    """The path goes out as it stands here."""
    request = ours.build_request("GET", "/")
    request.url = request.url.copy_with(raw_path=path.encode())
    answer = ours.send(request)
    assert answer.status_code in (403, 404), answer.text
    assert "Training runs" not in answer.text
    assert "otel_traces" not in answer.text


def test_it_labels_its_own_and_no_others(ours: httpx.Client, guarded: str) -> None:
    assert ours.post("/rollouts/r/ours", data={"value": "1", "comment": "well"}).status_code == 303
    assert ours.post("/rollouts/both", data={"comment": "our side"}).status_code == 303
    for path, more in (
        ("/rollouts/r/theirs", {}), (f"/labels/{THEIRS}/{21:016x}", {}), (f"/labels/{21:016x}", {}),
        ("/rollouts/r/ours", {"span": f"{THEIRS}/{21:016x}"}),
    ):  # fmt: skip
        answer = ours.post(path, data={"value": "-9", "comment": "forged", "correction": "forged"} | more)
        assert answer.status_code in (400, 404), answer.text
    shown = httpx.get(f"{guarded}/rollouts/r/theirs", headers=ADMIN).text
    assert "forged" not in shown
    assert "-9" not in shown
    assert "our side" in ours.get("/rollouts/both").text


def test_its_exports_hold_its_project_and_no_other_key_of_a_project_sees_anothers(
    ours: httpx.Client, guarded: str, keys: dict[str, str]
) -> None:
    made = {}
    for name in ("writer", "all"):
        with httpx.Client(base_url=guarded, auth=("any", keys[name]), timeout=60) as client:
            at = client.post("/export/sly", data={"format": "turns"}).headers["location"]
            deadline = time.monotonic() + 60
            while ">Download<" not in (text := client.get(at).text):
                assert time.monotonic() < deadline, text
                time.sleep(0.1)
            made[name] = (at, client.get(f"/api{at}/file").text)
    assert SECRET in made["all"][1]
    assert SECRET not in made["writer"][1]
    assert ours.get(made["all"][0]).status_code == 404
    assert ours.get(f"/api{made['all'][0]}/file").status_code == 404
    assert made["all"][0] not in ours.get("/exports").text


@pytest.mark.parametrize("path", ["/train/all", "/runs/x/cancel", "/triggers/x/run"])
def test_it_trains_nothing(ours: httpx.Client, path: str) -> None:
    assert ours.post(path, data={"trainer": "trl-sft", "model": "m"}).status_code == 403


@pytest.mark.parametrize("path", ["/rollouts/r/ours", f"/labels/{OURS}", "/export/all", "/train/all"])
def test_a_key_that_reads_changes_nothing(guarded: str, keys: dict[str, str], path: str) -> None:
    form = {"value": "1", "format": "turns", "trainer": "trl-sft", "model": "m"}
    assert httpx.post(guarded + path, data=form, auth=("any", keys["reader"])).status_code == 403

"""`/api/tasks` and `/api/leases`: workers anywhere run rollouts, over a real collector that may be killed."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from leyden_store.keys import Scope
from leyden_store.lightning import LightningStore
from tests.support.collector import Answer, Collector, ask
from tests.support.keys import make_key


def send(collector: Collector, method: str, path: str, body: Any = None, key: str = "", timeout: float = 30) -> Answer:
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return ask(
        f"{collector.url}/api/{path}", data, method=method, timeout=timeout, content_type="application/json", **headers
    )


def put(collector: Collector, batch: str, n: int = 1, key: str = "", **terms: Any) -> Answer:
    rollouts = [{"rollout_id": f"{batch}-{i}", "group_id": "g", "task": {"input": i}} for i in range(n)]
    return send(collector, "PUT", f"tasks/{batch}", {"rollouts": rollouts, "queue": batch, **terms}, key)


def lease(collector: Collector, batch: str, key: str = "", **asked: Any) -> list[dict[str, Any]]:
    answer = send(collector, "POST", "leases", {"worker": "w", "queue": batch, **asked}, key)
    assert answer.status == 200, answer.body
    return answer.json()  # type: ignore[no-any-return]


def end(collector: Collector, lease_id: str, **how: Any) -> int:
    return send(collector, "POST", f"leases/{lease_id}/end", how).status


def test_a_batch_goes_out_and_comes_back(collector: Collector) -> None:
    told = put(collector, "round", 3, policy={"model": "m"}, timeout_s=7)
    assert (told.status, told.json()["open"], told.json()["rollouts"]) == (200, 3, {"waiting": 3})
    first, second = lease(collector, "round", n=2)
    assert (first["rollout_id"], first["task"], first["policy"]) == ("round-0", {"input": 0}, {"model": "m"})
    assert (first["attempt"], first["timeout_s"], first["lease_s"]) == (0, 7, 30)
    assert end(collector, first["lease_id"], output=[1, None]) == 204
    assert end(collector, second["lease_id"], error="broke") == 204
    told = send(collector, "GET", "tasks/round").json()
    assert [(one["rollout_id"], one["state"], one["output"], one["error"]) for one in told["ended"]] == [
        ("round-0", "done", [1, None], None),
        ("round-1", "failed", None, "broke"),
    ]
    later = send(collector, "GET", f"tasks/round?after={told['ended'][0]['cursor']}").json()
    assert [one["rollout_id"] for one in later["ended"]] == ["round-1"]
    (third,) = lease(collector, "round", n=2)
    assert end(collector, third["lease_id"], error="took too long", timed_out=True) == 204
    told = send(collector, "DELETE", "tasks/round").json()
    assert (told["open"], told["rollouts"]) == (0, {"done": 1, "failed": 1, "timed_out": 1})
    assert "round" in [batch["batch_id"] for batch in send(collector, "GET", "tasks").json()["items"]]


def test_who_waits_is_woken_by_what_happens(collector: Collector) -> None:
    def later(seconds: float, act: Any) -> threading.Timer:
        timer = threading.Timer(seconds, act)
        timer.start()
        return timer

    timer = later(0.3, lambda: put(collector, "wake", 1))
    began = time.monotonic()
    (taken,) = lease(collector, "wake", wait_s=20)
    assert 0.2 < time.monotonic() - began < 5
    timer.join()
    timer = later(0.3, lambda: end(collector, taken["lease_id"], output=1))
    began = time.monotonic()
    told = send(collector, "GET", "tasks/wake?wait_s=20").json()
    assert [one["output"] for one in told["ended"]] == [1]
    assert 0.2 < time.monotonic() - began < 5
    timer.join()
    assert lease(collector, "wake", wait_s=0.1) == []
    over = send(collector, "GET", f"tasks/wake?wait_s=20&after={told['ended'][0]['cursor']}").json()
    assert (over["ended"], over["open"]) == ([], 0)  # nothing is left to wait for


def test_who_waits_gets_what_a_silent_worker_loses(collector: Collector) -> None:
    put(collector, "silent", 1, lease_s=1)
    (lost,) = lease(collector, "silent")
    began = time.monotonic()
    (again,) = lease(collector, "silent", wait_s=20)
    assert 0.5 < time.monotonic() - began < 5
    assert (again["rollout_id"], again["attempt"]) == (lost["rollout_id"], 1)
    late = send(collector, "POST", f"leases/{lost['lease_id']}/end", {"output": "late"})
    assert (late.status, late.json()["error"]["code"]) == (409, "lease_lost")
    both = {"lease_ids": [lost["lease_id"], again["lease_id"]]}
    assert send(collector, "POST", "leases/extend", both).json() == {
        lost["lease_id"]: "late",
        again["lease_id"]: "held",
    }
    assert send(collector, "POST", f"leases/{again['lease_id']}/return").status == 204
    told = send(collector, "GET", "tasks/silent").json()
    assert (told["rollouts"], told["retries"], told["late"]) == ({"waiting": 1}, 1, 1)
    assert collector.metrics()['leyden_collector_task_events_total{event="late"}'] == 1


def test_nothing_is_given_to_a_worker_that_has_left(collector: Collector) -> None:
    with pytest.raises(TimeoutError):
        send(collector, "POST", "leases", {"worker": "w", "queue": "left", "wait_s": 30}, timeout=0.3)
    time.sleep(1.5)
    put(collector, "left", 1)
    assert len(lease(collector, "left")) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "tasks/nope", None, 404, "batch_not_found"),
        ("DELETE", "tasks/nope", None, 404, "batch_not_found"),
        ("PUT", "tasks/b", {"rollouts": []}, 422, "malformed"),
        ("PUT", "tasks/b", {"rollouts": [{"rollout_id": "r", "task": float("nan")}]}, 422, "malformed"),
        ("PUT", "tasks/b", {"rollouts": [{"rollout_id": "r", "task": 1}] * 2}, 422, "malformed"),
        ("POST", "leases", {"worker": "w", "wait_s": 61}, 422, "malformed"),
        ("POST", "leases/nope/end", {}, 404, "lease_not_found"),
        ("POST", "leases/nope/return", None, 404, "lease_not_found"),
    ],
)
def test_every_refusal_says_why(
    collector: Collector, method: str, path: str, body: Any, status: int, code: str
) -> None:
    answer = send(collector, method, path, body)
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    put(collector, "taken", 1)
    again = put(collector, "taken", 2)
    assert (again.status, again.json()["error"]["code"]) == (409, "batch_exists")


def test_killed_and_started_again_it_knows_every_task(tmp_path: Path) -> None:
    dsn = f"chdb://{tmp_path}/store"
    with Collector(dsn, tmp_path) as collector:
        put(collector, "b", 3)
        done, running = lease(collector, "b", n=2)
        assert end(collector, done["lease_id"], output="x") == 204
        collector.kill()
        collector.start()
        assert send(collector, "GET", "tasks/b").json()["rollouts"] == {"done": 1, "leased": 1, "waiting": 1}
        assert end(collector, running["lease_id"], output="y") == 204
        (rest,) = lease(collector, "b", n=5)
        assert end(collector, rest["lease_id"], output="z") == 204
        assert [one["output"] for one in send(collector, "GET", "tasks/b").json()["ended"]] == ["x", "y", "z"]
        waiter = threading.Thread(target=lease, args=(collector, "b"), kwargs={"wait_s": 60})
        waiter.start()
        time.sleep(0.3)
        began = time.monotonic()
        assert collector.stop() == 0  # it does not wait for those who wait
        assert time.monotonic() - began < 5
        waiter.join()
        assert "Traceback" not in collector.log


def test_a_key_of_one_project_sees_and_takes_its_tasks_alone(tmp_path: Path) -> None:
    dsn = f"chdb://{tmp_path}/store"
    with LightningStore.open(dsn) as store:
        own = make_key(store, "own", Scope.WRITE, project="own")
        other = make_key(store, "other", Scope.READ, Scope.WRITE, project="other")
        reader = make_key(store, "reader", Scope.READ)
    with Collector(dsn, tmp_path, "--require-keys") as collector:
        assert put(collector, "b", 1).status == 401
        assert put(collector, "b", 1, reader).status == 403
        assert put(collector, "b", 1, own, project="other").status == 403
        assert put(collector, "b", 1, own).json()["project"] == "own"
        assert send(collector, "GET", "tasks/b", key=other).status == 404
        assert lease(collector, "b", other) == []
        (taken,) = lease(collector, "b", own)
        assert send(collector, "POST", f"leases/{taken['lease_id']}/end", {}, other).status == 404
        assert send(collector, "POST", f"leases/{taken['lease_id']}/end", {}, own).status == 204
        assert send(collector, "GET", "tasks/b", key=reader).json()["rollouts"] == {"done": 1}

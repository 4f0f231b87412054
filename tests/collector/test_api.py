"""The API: one shape of pages and of errors, and every item of a growing list exactly once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leyden_store.holder import read_holder
from leyden_store.otlp import encode_traces
from tests.support.collector import Answer, Collector, ask
from tests.support.hostile import HOSTILE
from tests.support.otlp_making import NOW_NS, chat, make

GROWING = ["traces", "turns", "sessions", "rewards", "queries", "runs", "search?text=hello"]


@pytest.fixture(scope="module", autouse=True)
def filled(collector: Collector) -> None:
    for trace in range(1, 8):
        resource = {"session.id": f"s{trace % 3}", "leyden.rollout.id": f"r{trace}"}
        call = chat(2, trace=trace, parent=1, at_ns=NOW_NS + trace * 10**9, resource=resource)
        collector.send(encode_traces([make(1, trace=trace, at_ns=NOW_NS + trace * 10**9, resource=resource), call]))
    collector.flush()
    send(collector, "POST", "rewards", [{"rollout_id": f"r{n}", "value": n} for n in range(1, 8)])
    for name in "abcde":
        send(collector, "PUT", f"queries/{name}", {"where": "Duration >= 0"})


def get(collector: Collector, path: str, **parameters: Any) -> Answer:
    mark = "&" if "?" in path else "?"
    return ask(f"{collector.url}/api/{path}{mark}{urlencode(parameters)}")


def send(collector: Collector, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    data = None if body is None else json.dumps(body).encode()
    return ask(f"{collector.url}/api/{path}", data, method=method, content_type="application/json", **headers)


def admin(collector: Collector) -> dict[str, str]:
    info = read_holder(collector.folder / "store")
    assert info is not None
    return {"X_API_Key": info.token}


def pages(collector: Collector, path: str, limit: int) -> Iterator[list[dict[str, Any]]]:
    cursor = ""
    while cursor is not None:
        answer = get(collector, path, limit=limit, **({"cursor": cursor} if cursor else {}))
        assert answer.status == 200, answer.body
        yield answer.json()["items"]
        cursor = answer.json()["next_cursor"]


@pytest.mark.parametrize("path", GROWING)
@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_pages_of_any_size_are_the_list(collector: Collector, path: str, limit: int) -> None:
    (whole,) = pages(collector, path, 1000)
    assert whole or path == "runs"
    found = [item for page in pages(collector, path, limit) for item in page]
    if path == "turns":
        found, whole = (sorted(items, key=lambda turn: turn["trace_id"]) for items in (found, whole))
    assert found == whole


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 4), arrivals=st.lists(st.integers(0, 3), max_size=6))
def test_every_item_is_on_one_page_while_others_come_in(collector: Collector, limit: int, arrivals: list[int]) -> None:
    """Later traces come first in the list: a page counted from its beginning would give some twice."""
    before = {item["trace_id"] for page in pages(collector, "traces", 1000) for item in page}
    coming, seen = iter(arrivals), []
    for page in pages(collector, "traces", limit):
        seen += [item["trace_id"] for item in page]
        for _ in range(next(coming, 0)):
            ARRIVED.append(len(ARRIVED) + 1000)
            collector.send(encode_traces([make(1, trace=ARRIVED[-1], at_ns=NOW_NS + ARRIVED[-1] * 10**9)]))
        collector.flush()
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


ARRIVED: list[int] = []


@pytest.mark.parametrize("path", GROWING)
@pytest.mark.parametrize("cursor", ["x", "====", "é", "bnVsbA", "WzEsMl0", "e30", "W10"])
def test_a_cursor_that_is_none_is_refused(collector: Collector, path: str, cursor: str) -> None:
    answer = get(collector, path, cursor=cursor)
    assert answer.status == 400
    assert answer.json()["error"]["code"] == "query_refused"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "traces/ffffffff", None, 404, "trace_not_found"),
        ("GET", "traces/xyz", None, 422, "malformed"),
        ("GET", "traces?limit=0", None, 422, "malformed"),
        ("GET", "traces?where=nope", None, 400, "query_failed"),
        ("GET", "traces?query=nope", None, 404, "query_not_found"),
        ("GET", "queries/nope", None, 404, "query_not_found"),
        ("GET", "queries/nope/run", None, 404, "query_not_found"),
        ("PUT", "queries/bad", {"sql": "DROP TABLE traces"}, 400, "query_refused"),
        ("PUT", "queries/bad", {}, 422, "malformed"),
        ("DELETE", "queries/nope", None, 404, "query_not_found"),
        ("GET", "runs/nope", None, 404, "run_not_found"),
        ("GET", "nope", None, 404, "not_found"),
        ("PATCH", "traces", None, 405, "method_not_allowed"),
        ("POST", "rewards", {"value": 1}, 422, "malformed"),
        ("POST", "rewards", {"value": "NaN", "rollout_id": "r"}, 422, "malformed"),
        ("GET", "keys", None, 401, "key_unknown"),
        ("GET", "audit", None, 401, "key_unknown"),
    ],
)
def test_every_error_has_one_shape(
    collector: Collector, method: str, path: str, body: Any, status: int, code: str
) -> None:
    answer = send(collector, method, path, body)
    assert (answer.status, answer.json()["error"]["code"]) == (status, code), answer.body
    assert set(answer.json()["error"]) == {"code", "message", "details"}
    assert "\n" not in answer.json()["error"]["message"]


def test_no_hostile_query_is_saved(collector: Collector) -> None:
    for sql in HOSTILE:
        answer = send(collector, "PUT", "queries/hostile", {"sql": sql})
        assert (answer.status, answer.json()["error"]["code"]) == (400, "query_refused"), sql
        assert "\n" not in answer.json()["error"]["message"]
    assert get(collector, "queries/hostile").status == 404


def test_traces_are_filtered(collector: Collector) -> None:
    def ids(**filters: Any) -> list[str]:
        return [item["trace_id"] for item in get(collector, "traces", **filters).json()["items"]]

    assert ids(rollout="r3") == [f"{3:032x}"]
    assert set(ids(session="s1")) == {f"{n:032x}" for n in (1, 4, 7)}
    assert ids(min_reward=7) == [f"{7:032x}"]
    assert ids(where="RolloutId = 'r2'") == [f"{2:032x}"]
    assert ids(rollout="r3", status="error") == []
    assert ids(rollout="r3", until="2000-01-01T00:00:00Z") == []
    assert ids(rollout="r3", since="2000-01-01T00:00:00Z", query="a") == [f"{3:032x}"]


def test_a_trace_is_a_tree(collector: Collector) -> None:
    tree = get(collector, f"traces/{1:032x}").json()
    assert [span["depth"] for span in tree["spans"]] == [0, 1]


def test_a_saved_query_is_kept_run_and_taken_out_of_use(collector: Collector) -> None:
    sql = "SELECT DISTINCT TraceId FROM otel_traces WHERE RolloutId = {rollout:String}"
    name = quote("of a rollout/é", safe="")
    saved = send(collector, "PUT", "queries/mine", {"sql": sql, "description": "one rollout's"})
    assert saved.json()["version"] == 1
    assert send(collector, "PUT", "queries/mine", {"sql": sql}).json()["version"] == 2
    ran = get(collector, "queries/mine/run", param_rollout="r5", version=1)
    assert [item["rollout_id"] for item in ran.json()["items"]] == ["r5"]
    assert get(collector, "queries/mine/run").status == 400
    assert send(collector, "DELETE", "queries/mine").status == 204
    assert get(collector, "queries/mine").status == 404
    assert get(collector, f"queries/{name}").status == 404


def test_rewards_are_given_and_listed(collector: Collector) -> None:
    given = {"trace_id": f"{2:032x}", "span_id": f"{2:016x}", "name": "style", "value": 0.5, "source": "me"}
    assert send(collector, "POST", "rewards", given).json() == {"stored": 1}
    (found,) = get(collector, "rewards", name="style").json()["items"]
    assert {name: found[name] for name in given} == given
    assert len(get(collector, "rewards", rollout_id="r4").json()["items"]) == 1


def test_stats_say_what_there_is(collector: Collector) -> None:
    assert get(collector, "stats").json()["traces"] >= 7


def test_keys_are_made_listed_and_ended(collector: Collector) -> None:
    made = send(collector, "POST", "keys", {"name": "ci", "scopes": ["read"]}, **admin(collector))
    assert made.status == 201
    key = made.json()["key"]
    listed = ask(f"{collector.url}/api/keys", **admin(collector)).body.decode()
    assert made.json()["key_id"] in listed
    assert key not in listed
    assert ask(f"{collector.url}/api/keys", X_API_Key=key).json()["error"]["code"] == "scope_missing"
    ended = send(collector, "DELETE", f"keys/{made.json()['key_id']}", **admin(collector))
    assert ended.json()["revoked_at"]
    assert send(collector, "DELETE", "keys/nope", **admin(collector)).status == 404
    actions = [item["action"] for item in ask(f"{collector.url}/api/audit", **admin(collector)).json()["items"]]
    assert actions[:2] == ["key revoked", "key created"]


def test_the_openapi_page_tells_every_route(collector: Collector) -> None:
    paths = ask(f"{collector.url}/openapi.json").json()["paths"]
    operations = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(operations) == len(set(operations)), "a client made from the page would lack one"
    assert {f"/api/{name}" for name in ("traces", "traces/{trace_id}", "turns", "rewards", "search")} < set(paths)
    assert ask(f"{collector.url}/docs").status == 200

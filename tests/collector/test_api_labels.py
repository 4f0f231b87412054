"""Labels, data sets and lineage over the API: the same as in the store, and nothing of another project."""

from __future__ import annotations

import pytest

from leyden_store.otlp import encode_traces
from tests.collector.test_api import get, send
from tests.support.collector import Collector
from tests.support.otlp_making import NOW_NS, chat, make

TRACE = f"{77:032x}"


@pytest.fixture(scope="module", autouse=True)
def one_rollout(collector: Collector) -> None:
    resource = {"leyden.rollout.id": "labelled"}
    call = chat(2, trace=77, parent=1, at_ns=NOW_NS, resource=resource)
    collector.send(encode_traces([make(1, trace=77, at_ns=NOW_NS, resource=resource), call]))
    collector.flush()


def test_labels_are_given_and_read(collector: Collector) -> None:
    call = f"{TRACE}/{2:016x}"
    for body in (
        {"target": "labelled", "score": 0.5, "why": "half"},
        {"target": call, "correction": "better", "author": "ann"},
        {"target": call, "comment": "odd", "author": "ann"},
    ):
        answer = send(collector, "POST", "labels", body)
        assert answer.status == 200, answer.body
    said = get(collector, "labels", target="labelled").json()
    assert sorted((one["kind"], one["value"]) for one in said) == [
        ("comment", None),
        ("correction", None),
        ("score", 0.5),
    ]
    assert get(collector, "labels", target=call).json()[0]["span_id"] == f"{2:016x}"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"target": "nothing", "score": 1}, 404),
        ({"target": "labelled", "correction": "x"}, 400),
        ({"target": "labelled"}, 422),
        ({"target": "labelled", "score": "NaN"}, 422),
    ],
)
def test_a_label_that_cannot_be_is_refused(collector: Collector, body: dict[str, object], status: int) -> None:
    assert send(collector, "POST", "labels", body).status == status


def test_lineage_and_data_sets_are_read(collector: Collector) -> None:
    assert get(collector, "datasets").json()["items"] == []
    assert get(collector, "datasets/none").status == 404
    found = get(collector, f"lineage/{TRACE}").json()
    assert (found["kind"], found["spans"], found["rollouts"]) == ("trace", 2, ["labelled"])
    assert get(collector, "lineage/nothing").status == 404


def test_a_query_is_shown_with_its_size(collector: Collector) -> None:
    send(collector, "PUT", "queries/sized", {"where": "RolloutId = 'labelled'"})
    shown = get(collector, "queries/sized").json()
    assert (shown["traces"], shown["versions"], shown["last_used_at"]) == (1, [1], None)
    assert send(collector, "PUT", "queries/bad", {"sql": "SELECT name AS TraceId FROM system.users"}).status == 400

"""Retention: a project's old spans go by themselves, in every table that has them; other projects' stay."""

from __future__ import annotations

import time

from leyden_store.lightning import LightningStore
from leyden_store.retention import Rule, retain, rules
from tests.support.otlp_making import DAY_NS, chat, make, put


def test_a_projects_old_spans_go_and_the_rest_stays(store: LightningStore) -> None:
    now = time.time_ns()
    spans = [
        make(1, trace=t, project=p, at_ns=now - days * DAY_NS)
        for t, p, days in ((1, "a", 1), (2, "a", 40), (3, "b", 40), (4, "it's", 400), (5, "default", 900))
    ]
    put(store, spans)
    retain(store.connection, "b", 100_000)
    assert rules(store.connection) == [Rule("b", 100_000)]
    retain(store.connection, "b", 0)
    store.compact()
    assert len(list(store.spans())) == 5
    assert retain(store.connection, "a", 30) == [Rule("a", 30)]
    assert retain(store.connection, "it's", 30) == rules(store.connection) == [Rule("a", 30), Rule("it's", 30)]
    deadline = time.monotonic() + 60
    while len(list(store.spans())) > 3 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert sorted(s.trace_id[-1] for s in store.spans()) == ["1", "3", "5"]
    put(store, [make(1, trace=6, project="a", at_ns=now - 50 * DAY_NS), chat(1, trace=7, project="a", at_ns=now)])
    store.compact()
    assert sorted(s.trace_id[-1] for s in store.spans()) == ["1", "3", "5", "7"]
    assert retain(store.connection, "a", 0) == [Rule("it's", 30)]
    assert retain(store.connection, "it's", 0) == []
    put(store, [make(1, trace=8, project="a", at_ns=now - 50 * DAY_NS)])
    store.compact()
    assert len(list(store.spans())) == 5

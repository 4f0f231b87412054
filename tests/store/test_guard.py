"""A reader's SQL is one statement that reads the store's tables; whatever writes or reaches out is refused by name."""

from __future__ import annotations

import pytest

from leyden_store.errors import QueryFailed, QueryRefused
from leyden_store.guard import check
from leyden_store.lightning import LightningStore
from tests.support.escapes import ESCAPES
from tests.support.otlp_making import make, put


@pytest.mark.parametrize("sql", ESCAPES)
def test_what_writes_or_reaches_out_is_refused_in_one_line(sql: str) -> None:
    with pytest.raises(QueryRefused) as caught:
        check(sql)
    assert "\n" not in str(caught.value)


def test_the_store_refuses_them_all_and_stays_as_it_was(store: LightningStore) -> None:
    put(store, [make(1)])
    for sql in (*ESCAPES, "SELECT 1 SETTINGS readonly = 0"):
        with pytest.raises((QueryRefused, QueryFailed)):
            store.sql(sql)
    for sql in FINE:
        store.sql(sql)
    assert store.stats()["spans"] == 1


@pytest.mark.parametrize("sql", ["", "  ", ";", "-- nothing"])
def test_nothing_is_no_query(sql: str) -> None:
    with pytest.raises(QueryRefused, match="empty"):
        check(sql)


FINE = [
    "SELECT 'file(1) url(2) ; DROP' AS file",
    "SELECT SpanAttributes['url'] FROM otel_traces -- file('/x')",
    "SELECT TraceId FROM otel_traces WHERE SpanAttributes['url.full'] LIKE '%file(%' AND domain('http://a/b') = 'a'",
    "SELECT count() FROM numbers(10)",
    "SELECT \"SpanName\" FROM `otel_traces` WHERE SpanName != 'it\\'s '' url(' /* s3( */",
    "SELECT t.file FROM (SELECT 1 AS file) AS t",
    "SELECT count() FROM otel_traces WHERE TraceId IN (SELECT TraceId FROM traces);",
    "SHOW TABLES",
    "DESCRIBE TABLE otel_traces",
    "EXPLAIN SELECT 1",
]


@pytest.mark.parametrize("sql", FINE)
def test_words_that_only_look_like_escapes_are_fine(sql: str) -> None:
    check(sql)

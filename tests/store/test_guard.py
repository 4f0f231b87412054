"""A reader's SQL is one statement that reads the store's tables; whatever writes or reaches out is refused by name."""

from __future__ import annotations

import pytest

from leyden_store.errors import QueryFailed, QueryRefused
from leyden_store.guard import check
from leyden_store.lightning import LightningStore
from tests.support.otlp_making import make, put

ESCAPES = [
    "INSERT INTO otel_traces (TraceId) VALUES ('x')",
    "DROP TABLE otel_traces",
    "ALTER TABLE otel_traces DELETE WHERE 1",
    "TRUNCATE TABLE otel_traces",
    "CREATE TABLE t (a Int8) ENGINE = Memory",
    "SET readonly = 0",
    "SELECT 1; DROP TABLE otel_traces",
    "SELECT 1; SELECT 2",
    "SYSTEM SHUTDOWN",
    "KILL QUERY WHERE 1",
    "ATTACH TABLE otel_traces",
    "SELECT * FROM file('/etc/hostname', 'LineAsString')",
    "SELECT file('/etc/hostname')",
    "SELECT 1 WHERE file('/etc/hostname') != ''",
    "SELECT `file`('/etc/hostname')",
    "SELECT FILE ('/etc/hostname')",
    "SELECT /* */ file /* x */ ('/etc/hostname')",
    "SELECT arrayMap(x -> file(x), ['/etc/hostname'])",
    "WITH (SELECT file('/etc/hostname')) AS f SELECT f",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM s3('http://127.0.0.1:1/b/k', 'LineAsString')",
    "SELECT * FROM remote('127.0.0.1:1', 'system', 'one')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM executable('x.sh', 'TSV', 'a String')",
    "SELECT * FROM (SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString'))",
    "SELECT 1 INTO OUTFILE '/tmp/leyden-escape'",
    "SELECT * FROM catboostEvaluate('/etc/hostname', 1)",
    "SELECT * FROM '/etc/hostname'",
    "SELECT * FROM `/etc/hostname`",
    "DESCRIBE TABLE url('http://127.0.0.1:1/', 'LineAsString')",
    "EXPLAIN SELECT file('/etc/hostname')",
    "SELECT arrayMap(file, ['/etc/hostname'])",
    "SELECT * APPLY file FROM (SELECT '/etc/hostname')",
    "SELECT * APPLY(x -> file(x)) FROM (SELECT '/etc/hostname')",
    "SELECT `fil\\x65`('/etc/hostname')",
    "SELECT “file”('/etc/hostname')",
    "SELECT 1 # '\n, file('/etc/hostname') -- '",
    "SELECT $a$ ' $a$, file('/etc/hostname') -- '",
    "SELECT 1 /* /* */ , file('/etc/hostname') */ */",
    "SELECT * FROM python('x')",
    "SELECT * FROM numbers(1), url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM unheardOf('x')",
]
"""SQL that must not work for a reader: it writes, or reaches out of the store."""


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

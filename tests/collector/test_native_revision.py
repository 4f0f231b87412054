"""Native at a revision: byte for byte what a ClickHouse server answers to the same `client_protocol_version`."""

from __future__ import annotations

import urllib.request

import pytest

from leyden_collector.native_revision import UnknownType, with_revision
from leyden_store.dsn import Server, parse

QUERIES = (
    "SELECT displayName(), version(), revision(), timezone()",
    "SELECT number, toString(number), repeat('x', number % 300) FROM numbers(200000)",  # several blocks
    "SELECT 1 WHERE 0",
    "SELECT toDecimal64(1, 3), toDecimal128(1, 3), toInt256(3), toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0'), true",
    "SELECT toDate('2026-01-01'), toDate32('2026-01-01'), toDateTime('2026-01-01 00:00:00'), now64(9) > 0",
    "SELECT toIPv4('1.2.3.4'), toIPv6('::1'), toFixedString('ab', 2), INTERVAL 1 DAY, NULL, [], tuple(1, 'a')",
    r"SELECT CAST('a, (b', 'Enum8(\'a, (b\' = 1)'), CAST((1, 'x'), 'Tuple(`a b` UInt8, `c,d(` String)')",
    "SELECT toLowCardinality(toNullable('q')), [toLowCardinality('a')], map('a', toLowCardinality('b'))",
    "SELECT [[1], []], map('k', [1, NULL]), [map('a', 'b')]",
    "SELECT CAST([(1, [map('k', 'v')])], 'Array(Tuple(n UInt8, fields Array(Map(String, String))))')",
)


@pytest.mark.server
@pytest.mark.parametrize("revision", [0, 54405, 54460])
@pytest.mark.parametrize("sql", QUERIES)
def test_a_server_answers_the_same_bytes(clickhouse: str, sql: str, revision: int) -> None:
    assert with_revision(_native(clickhouse, sql, 0), revision) == _native(clickhouse, sql, revision)


def test_a_block_gets_its_info_and_a_column_its_mark() -> None:
    assert (
        with_revision(b"\x01\x01\x011\x05UInt8\x01", 54460)
        == b"\x01\x00\x02\xff\xff\xff\xff\x00\x01\x01\x011\x05UInt8\x00\x01"
    )


def test_a_type_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(UnknownType, match="Dynamic"):
        with_revision(b"\x01\x01\x01a\x07Dynamic\x01", 54460)


def _native(dsn: str, sql: str, revision: int) -> bytes:
    server = parse(dsn)
    assert isinstance(server, Server)
    url = f"http://{server.host}:{server.port}/?default_format=Native&client_protocol_version={revision}"
    headers = {"X-ClickHouse-User": server.user, "X-ClickHouse-Key": server.password}
    with urllib.request.urlopen(urllib.request.Request(url, sql.encode(), headers)) as answer:
        return bytes(answer.read())

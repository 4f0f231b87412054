"""The gateway as Grafana's client meets it: Native blocks at the protocol revision that clickhouse-go names."""

from __future__ import annotations

import httpx

from tests.dashboards.asking import Seeded

REVISION = {"default_format": "Native", "client_protocol_version": "54460"}


def test_the_client_s_first_question_is_answered_at_its_revision(seeded: Seeded) -> None:
    hello = "SELECT displayName(), version(), revision(), timezone()"
    answer = httpx.post(f"{seeded.url}/clickhouse", params=REVISION, content=hello, timeout=60)
    assert answer.status_code == 200
    assert answer.content.startswith(b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01\rdisplayName()\x06String\x00")


def test_a_column_that_native_cannot_carry_is_refused_in_clickhouse_s_words(seeded: Seeded) -> None:
    sql = "SELECT 1::Dynamic AS a"
    answer = httpx.post(f"{seeded.url}/clickhouse", params=REVISION, content=sql, timeout=60)
    assert answer.status_code == 500
    assert answer.headers["X-ClickHouse-Exception-Code"] == "50"

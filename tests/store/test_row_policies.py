"""A user of a ClickHouse server who is kept to a project sees that project and nothing else, without Leyden between."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from leyden_store.errors import StoreError
from leyden_store.lightning import LightningStore
from leyden_store.row_policies import keep_to_project, statements, users_xml
from leyden_store.tables import PROJECT_TABLES
from tests.support.clickhouse_server import drop_database, new_database, server_or_skip
from tests.support.otlp_making import chat, put

DEFAULT = """<default><password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
<access_management>1</access_management></default>"""


def fill(dsn: str) -> None:
    with LightningStore.open(dsn) as store:
        for number, project in ((1, "shop"), (2, "shop"), (3, "other")):
            put(store, [chat(1, trace=number, project=project, rollout_id=f"r{number}")])


def assert_kept_to_shop(client: Client, database: str) -> None:
    for table in ("otel_traces", "traces"):
        seen = client.query(f"SELECT DISTINCT Project FROM {database}.{table}").result_rows
        assert seen == [("shop",)], table
    assert client.query(f"SELECT count() FROM {database}.otel_traces WHERE Project = 'other'").result_rows == [(0,)]
    for refused in (f"SELECT * FROM {database}.api_keys", f"ALTER TABLE {database}.traces DELETE WHERE 1"):
        with pytest.raises(ClickHouseError, match=r"ACCESS_DENIED|Not enough privileges"):
            client.query(refused)


@pytest.mark.server
def test_a_user_of_a_file_sees_the_project_alone(tmp_path: Path) -> None:
    text = users_xml("default", "shop", "reader").replace("<users>", f"<users>{DEFAULT}")
    text = text.replace("<reader>", "<reader><password>pw</password><profile>default</profile><quota>default</quota>")
    text = text.replace("</users>", "</users><profiles><default/></profiles><quotas><default/></quotas>")
    with server_or_skip(tmp_path / "data", users=text) as server:
        fill(server.dsn())
        with clickhouse_connect.get_client(dsn=f"clickhouse://reader:pw@127.0.0.1:{server.port}/default") as client:
            assert_kept_to_shop(client, "default")
        with LightningStore.open(server.dsn()) as store:
            assert len(list(store.rollouts())) == 3


@pytest.mark.server
def test_so_does_a_user_made_by_sql() -> None:
    named = os.environ.get("LEYDEN_TEST_CLICKHOUSE")
    if not named:
        pytest.skip("NOT RUN: the server that tests bring keeps users in files; name one in LEYDEN_TEST_CLICKHOUSE")
    dsn, user = new_database(named), f"leyden_test_{uuid.uuid4().hex[:8]}"
    try:
        fill(dsn)
        with LightningStore.open(dsn) as store:
            store.connection.command(f"CREATE USER {user} IDENTIFIED BY 'Pw-{user}'")
            keep_to_project(store.connection, "shop", user)
            database = store.connection.database
            parts = urlsplit(dsn)
            own = parts._replace(netloc=f"{user}:Pw-{user}@{parts.hostname}:{parts.port}").geturl()
            try:
                with clickhouse_connect.get_client(dsn=own) as client:
                    assert_kept_to_shop(client, database)
            finally:
                store.connection.command(f"DROP USER {user}")
    finally:
        drop_database(dsn)


def test_every_table_whose_rows_name_a_project_has_its_policy() -> None:
    made = statements("leyden", "it's", "reader")
    assert len(made) == 2 * len(PROJECT_TABLES)
    assert r"ON `leyden`.`traces` USING Project = 'it\'s' TO `reader`" in "\n".join(made)
    assert not [statement for statement in made if "_local" in statement or "CLUSTER" in statement]
    with pytest.raises(StoreError, match="no name of a ClickHouse user"):
        statements("leyden", "shop", "x` TO ALL; --")


def test_in_a_cluster_every_node_has_it_and_for_its_part_of_a_table_too() -> None:
    made = statements("leyden", "shop", "reader", "main")
    assert all(" ON CLUSTER `main` " in statement for statement in made)
    assert "GRANT ON CLUSTER `main` SELECT ON `leyden`.`otel_traces_local` TO `reader`" in made
    assert "GRANT ON CLUSTER `main` SELECT ON `leyden`.`otel_traces` TO `reader`" in made

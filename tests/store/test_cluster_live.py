"""A cluster of two shards, two real servers: spans go to their shard, and are read from either node.

The servers are clickhouse-local's, whose `remote_servers`, secret, macros and profile are those of deploy/clickhouse.
It runs no distributed DDL and no replication. So the test does here what Keeper has done in a cluster: every ON CLUSTER
statement is run on each node, its tables without `Replicated`; tables that are whole on every node are copied once.
What `Replicated` says is asked of the engine where LEYDEN_TEST_KEEPER (host:port of a Keeper or ZooKeeper) is given.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import clickhouse_connect
import pytest

from leyden_dashboards import sql as dashboards
from leyden_store import searching, sql
from leyden_store.backup import backup, restore
from leyden_store.cluster import clustered, sharded_tables
from leyden_store.connection import Connection
from leyden_store.erasure import erase, find
from leyden_store.ingest import OtlpWriter, delimited
from leyden_store.lightning import LightningStore
from leyden_store.otlp import encode_traces
from leyden_store.row_policies import users_xml
from leyden_store.selection import Selection
from leyden_store.spans import AttributeValue, Span
from leyden_store.turns import PostedReward
from tests.dashboards.asking import Seeded, statements
from tests.store.test_queries import run_every_query
from tests.support.clickhouse_server import ClickHouseServer, Unavailable, free_port
from tests.support.grafana_queries import expand
from tests.support.otlp_making import chat, make

pytestmark = pytest.mark.server

DEPLOY = Path(__file__).parents[2] / "deploy" / "clickhouse"
TRACES = 24
DATABASE = "leyden"


def configured(shard: int, ports: Sequence[int]) -> str:
    """The committed file for a node, with addresses of this machine."""
    root = ElementTree.parse(DEPLOY / "node-main.xml").getroot()
    keeper, _, keeper_port = os.environ.get("LEYDEN_TEST_KEEPER", "127.0.0.1:1").partition(":")
    texts = {
        "zookeeper/node/host": keeper, "zookeeper/node/port": keeper_port, "macros/shard": str(shard),
        "macros/replica": "a", "remote_servers/main/secret": "together",
    }  # fmt: skip
    for replica, port in zip(root.iterfind("remote_servers/main/shard/replica"), ports, strict=True):
        for found, text in zip(replica, ("127.0.0.1", str(port)), strict=True):
            found.text = text
    for path, text in texts.items():
        (found,) = root.iterfind(path)
        found.attrib.clear()
        found.text = text
    return "".join(ElementTree.tostring(part, encoding="unicode") for part in root)


def users() -> str:
    """The committed profile, the user that has it, and one that is kept to a project."""
    root = ElementTree.parse(DEPLOY / "cluster-profile.xml").getroot()
    root.append(ElementTree.fromstring("<quotas><default/></quotas>"))
    root.append(
        ElementTree.fromstring(
            "<users><default><password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile>"
            "<quota>default</quota></default></users>"
        )
    )
    kept = ElementTree.fromstring(users_xml(DATABASE, "shop", "reader", "main"))
    for text in ("<password>pw</password>", "<profile>default</profile>", "<quota>default</quota>"):
        kept.find("users/reader").append(ElementTree.fromstring(text))  # type: ignore[union-attr]
    root.find("users").extend(kept.find("users"))  # type: ignore[union-attr, arg-type]
    return ElementTree.tostring(root, encoding="unicode")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ClickHouseServer]]:
    """Two servers that know of each other."""
    folder = tmp_path_factory.mktemp("cluster")
    ports = [free_port(), free_port()]
    started: list[ClickHouseServer] = []
    try:
        for shard, port in enumerate(ports, 1):
            config = configured(shard, ports)
            node = ClickHouseServer(folder / f"s{shard}", users=users(), config=config, native_port=port)
            node.start()
            started.append(node)
    except Unavailable as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no ClickHouse servers to test with: {error}")
        pytest.skip(f"NOT RUN, no ClickHouse servers to test with: {error}")
    try:
        yield started
    finally:
        for node in started:
            node.kill()


def run(node: ClickHouseServer, statement: str, database: str = DATABASE) -> None:
    with clickhouse_connect.get_client(dsn=node.dsn(database)) as client:
        client.command(statement)


def alone(statement: str) -> str:
    """A statement for a cluster as one node runs it when the others do too."""
    text = statement.replace(" ON CLUSTER `main`", "")
    text = re.sub(r"Replicated(\w*MergeTree)\('[^']*', '[^']*'(, )?", r"\1(", text)
    return re.sub(r"(?<!_)\breplicated_dedup", "non_replicated_dedup", text)


@pytest.fixture(scope="module")
def stores(nodes: list[ClickHouseServer]) -> Iterator[list[LightningStore]]:
    """The store, by either node."""
    patch = pytest.MonkeyPatch()
    said = Connection._everywhere

    def everywhere(connection: Connection, text: str) -> list[str]:
        made = said(connection, text)
        for statement in made:
            if "ON CLUSTER" in statement:
                for node in nodes:
                    if node.port != connection.target.port:  # type: ignore[union-attr]
                        run(node, alone(statement))
        return [alone(statement) for statement in made]

    for node in nodes:
        run(node, f"CREATE DATABASE {DATABASE}", "default")
    patch.setattr(Connection, "_everywhere", everywhere)
    opened: list[LightningStore] = []
    try:
        first = LightningStore.open(f"{nodes[0].dsn(DATABASE)}?cluster=main")
        opened.append(first)
        whole = first.connection.rows(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND endsWith(engine, 'MergeTree')"
            " AND NOT endsWith(name, '_local')"
        )
        for row in whole:
            source = f"remote('127.0.0.1:{nodes[0].native_port}', {DATABASE}, {row['name']})"
            run(nodes[1], f"INSERT INTO {row['name']} SELECT * FROM {source}")
        opened.append(LightningStore.open(f"{nodes[1].dsn(DATABASE)}?cluster=main"))
        yield opened
    finally:
        for store in opened:
            store.close()
        patch.undo()


def spans_of(number: int) -> list[Span]:
    named = {"rollout_id": f"r{number}", "group_id": f"g{number % 4}", "session_id": f"s{number % 8}"}
    return [make(1, trace=number, **named), chat(2, trace=number, parent=1, said=f"answer {number}", **named)]


@pytest.fixture(scope="module")
def filled(stores: list[LightningStore]) -> list[LightningStore]:
    """Half of the traces written by each node: a segment that comes twice, and its spans again in another."""
    for half, store in enumerate(stores):
        writer = OtlpWriter(store.connection)
        body = delimited([encode_traces(spans_of(number)) for number in range(half, TRACES, 2)])
        for token in ("a segment", "a segment", "again"):
            writer.write(body, token=f"{token} {half}")
        writer.close()
    return stores


def test_the_nodes_are_the_cluster_of_the_committed_files(stores: list[LightningStore]) -> None:
    for shard, store in enumerate(stores, 1):
        (own,) = store.connection.rows(
            "SELECT getMacro('shard') AS shard, getSetting('distributed_product_mode') AS mode"
        )
        assert own == {"shard": str(shard), "mode": "local"}
        rows = store.connection.rows("SELECT shard_num FROM system.clusters WHERE cluster = 'main'")
        assert [row["shard_num"] for row in rows] == [1, 2]


def test_a_trace_s_rows_lie_on_one_shard_and_both_shards_have_some(filled: list[LightningStore]) -> None:
    for table in ("otel_traces", "traces", "otel_traces_trace_id_ts"):
        held = [
            {row["id"] for row in store.connection.rows(f"SELECT DISTINCT TraceId AS id FROM {table}_local")}
            for store in filled
        ]
        assert all(held)
        assert held[0].isdisjoint(held[1])
        assert len(held[0] | held[1]) == TRACES


def test_either_node_reads_every_trace_whole_and_once(filled: list[LightningStore]) -> None:
    for store in filled:
        for number in range(0, TRACES, 4):
            spans = store.trace(f"{number:032x}").spans
            assert [span.span_id for span in spans] == [span.span_id for span in spans_of(number)]
        listed = store.list_traces(limit=TRACES + 1).rows
        assert {row["trace_id"]: (row["spans"], row["llm_spans"]) for row in listed} == {
            f"{number:032x}": (2, 1) for number in range(TRACES)
        }


def test_turns_sessions_search_and_selections_reach_both_shards(filled: list[LightningStore]) -> None:
    first, second = filled
    first.add_rewards(
        [PostedReward(name="reward", value=number / TRACES, rollout_id=f"r{number}") for number in range(TRACES)]
    )
    for store in (first, second):
        said = {turn.rollout_id: (turn.response or {}).get("content") for turn in store.turns(Selection())}
        assert said == {f"r{number}": f"answer {number}" for number in range(TRACES)}
        group = store.select(where="GroupId = 'g1'")
        rewards = {one.rollout_id: one.reward("reward") for one in store.rollouts(group)}
        assert rewards == {f"r{number}": number / TRACES for number in range(1, TRACES, 4)}
        assert len(store.list_sessions(limit=100).rows) == 8
        assert [row["rollout_id"] for row in store.search("answer 17").rows] == ["r17"]


def test_what_dashboards_count_by_is_worked_out_for_either_shard(filled: list[LightningStore]) -> None:
    tool: dict[str, AttributeValue] = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    for half, store in enumerate(filled):
        writer = OtlpWriter(store.connection)
        spans = [make(1, trace=TRACES + number, attributes=tool) for number in range(half, TRACES, 2)]
        writer.write(delimited([encode_traces(spans)]), token=f"tools {half}")
        writer.close()
    for store in filled:
        asked = (
            "SELECT ToolName, count() AS n FROM otel_traces FINAL WHERE Operation = 'execute_tool' GROUP BY ToolName"
        )
        assert store.connection.rows(asked) == [{"ToolName": "search", "n": TRACES}]


def test_every_query_and_every_panel_s_is_answered_by_either_node(filled: list[LightningStore]) -> None:
    for store in filled:
        run_every_query(store)
        for text in statements():
            store.sql(expand(dashboards.statement(text), Seeded("", "a run").asked()))


def test_who_is_kept_to_a_project_sees_it_alone_by_either_node(
    nodes: list[ClickHouseServer], filled: list[LightningStore]
) -> None:
    writer = OtlpWriter(filled[0].connection)
    spans = [chat(1, trace=n, project=("shop", "other")[n % 2], rollout_id=f"p{n}") for n in range(200, 224)]
    writer.write(delimited([encode_traces(spans)]), token="projects")
    writer.close()
    for store, node in zip(filled, nodes, strict=True):
        assert {one.project for one in store.spans(Selection(project="shop"))} == {"shop"}
        assert len(list(store.turns(Selection(project="shop")))) == 12
        with clickhouse_connect.get_client(dsn=node.dsn(DATABASE).replace("default@", "reader:pw@")) as client:
            for table, rows in (("otel_traces", 12), ("traces", 12), ("rewards", 0)):
                seen = client.query(f"SELECT Project, uniqExact(TraceId) FROM {table} GROUP BY Project").result_rows
                assert seen == ([("shop", rows)] if rows else [])


def test_what_is_erased_by_one_node_is_gone_from_both(filled: list[LightningStore]) -> None:
    first, second = filled
    ends = [{"session_id": "told"}, {"session_id": "told", "user_id": "u"}]
    writer = OtlpWriter(first.connection)
    spans = [chat(1, trace=n, said=f"secret {n}", **ends[n % 2]) for n in range(100, 112)]
    writer.write(delimited([encode_traces(spans)]), token="told")
    writer.close()
    held = "SELECT uniqExact(TraceId) AS n FROM {}_local WHERE SessionId = 'told'"
    on_each = [[store.connection.rows(held.format(t))[0]["n"] for t in ("otel_traces", "traces")] for store in filled]
    assert sum(n for n, _ in on_each) == sum(n for _, n in on_each) == len(spans)
    assert all(n for counts in on_each for n in counts)
    before = {row["name"]: row["rows"] for row in second.stats_by("tables")}
    done = erase(second.connection, find(second.connection, "session", "told"))
    assert done.target.span_count == done.rows["otel_traces"] == len(spans)
    for store in filled:
        assert [store.connection.rows(held.format(t))[0]["n"] for t in ("otel_traces", "traces")] == [0, 0]
        assert store.search("secret").rows == []
        after = {row["name"]: row["rows"] for row in store.stats_by("tables")}
        assert before["otel_traces"] - after["otel_traces"] == before["traces"] - after["traces"] == len(spans)
        parts = (
            "SELECT count() AS n FROM system.parts WHERE table IN ('otel_traces_local', 'traces_local') AND NOT active"
        )
        assert store.connection.rows(parts)[0]["n"] == 0


def test_a_backup_by_one_node_holds_what_lies_on_both(filled: list[LightningStore], tmp_path: Path) -> None:
    made = backup(filled[1].connection, tmp_path / "kept")
    with LightningStore.open(f"chdb://{tmp_path}/store") as alone:
        restored = restore(alone.connection, made.path)
        assert {"otel_traces", "rewards", "otel_logs"} < set(restored.rows)
        assert restored.rows["otel_traces"] == made.rows["otel_traces"]
        mine, theirs = (
            [(one["trace_id"], one["spans"]) for one in store.list_traces(limit=1000).rows]
            for store in (alone, filled[0])
        )
        assert mine == theirs
        assert mine


def test_either_node_compacts_and_indexes_both(filled: list[LightningStore]) -> None:
    filled[1].compact()
    for store in filled:
        parts = "SELECT count() AS n FROM system.parts WHERE active AND table = 'otel_traces_local' GROUP BY partition"
        assert {row["n"] for row in store.connection.rows(parts)} == {1}
    searching.index_on(filled[0].connection)
    for store in filled:
        assert searching.has_index(store.connection)
        assert searching.index_bytes(store.connection) > 0
        assert [row["rollout_id"] for row in store.search("answer 17").rows] == ["r17"]
    searching.index_off(filled[1].connection)
    assert not any(searching.has_index(store.connection) for store in filled)


@pytest.mark.skipif("LEYDEN_TEST_KEEPER" not in os.environ, reason="LEYDEN_TEST_KEEPER names no Keeper")
def test_keeper_takes_every_replicated_table(nodes: list[ClickHouseServer]) -> None:
    """Each shard's part has a place of its own there; what is whole has one place, with each node in it.

    Created only: clickhouse-local has no port for other replicas, so its replicated tables take nothing.
    """
    every = [statement for _, _, made in sql.migrations() for statement in made]
    for node in nodes:
        run(node, "CREATE DATABASE kept", "default")
        for statement in every:
            for text in clustered(statement, "main", sharded_tables()):
                if text.startswith("CREATE TABLE") and "Distributed(" not in text:
                    run(node, text.replace(" ON CLUSTER `main`", ""), "kept")
    for shard, node in enumerate(nodes, 1):
        with clickhouse_connect.get_client(dsn=node.dsn("kept")) as client:
            rows = client.query("SELECT table, zookeeper_path, replica_name FROM system.replicas").result_rows
        assert {table for table, _, _ in rows} >= {f"{name}_local" for name in sharded_tables()}
        for table, path, replica in rows:
            local = table.endswith("_local")
            assert path == f"/clickhouse/tables/kept/{f'{shard}/' if local else ''}{table.removesuffix('_local')}"
            assert replica == ("a" if local else f"{shard}-a")

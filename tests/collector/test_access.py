"""Who may ask: this machine freely, no web page, and nobody elsewhere without the token."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.rpc.status_pb2 import Status

from leyden_collector.local_names import is_loopback
from leyden_store.holder import read_holder
from leyden_store.lightning import LightningStore
from leyden_store.otlp import encode_traces
from tests.support.collector import Collector, ask
from tests.support.otlp_making import chat, make

READS = ["/clickhouse?query=SELECT+1", "/api/traces", "/api/turns", f"/api/traces/{1:032x}"]
REWARD = json.dumps({"value": 1, "rollout_id": "r"}).encode()


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """One that listens beyond its machine, with a token of its operator's."""
    folder = tmp_path_factory.mktemp("exposed")
    with Collector(f"chdb://{folder}/store", folder, "--host", "0.0.0.0", env={"LEYDEN_TOKEN": "secret"}) as running:
        running.send(encode_traces([make(1), chat(2, parent=1)]), Authorization="Bearer secret")
        yield running


@pytest.mark.parametrize("path", READS)
def test_on_loopback_everybody_reads(collector: Collector, path: str) -> None:
    collector.send(encode_traces([make(1), chat(2, parent=1)]))
    collector.flush()
    assert ask(collector.url + path).status == 200


@pytest.mark.parametrize("path", READS)
def test_beyond_the_machine_reading_needs_the_token(exposed: Collector, path: str) -> None:
    assert ask(f"{exposed.url}/api/flush", b"", X_API_Key="secret").status == 200
    assert ask(exposed.url + path).status == 401
    assert ask(exposed.url + path, Authorization="Bearer wrong").status == 401
    basic = b64encode(b"anybody:secret").decode()
    for given in (
        {"Authorization": "Bearer secret"},
        {"Authorization": f"Basic {basic}"},
        {"X_ClickHouse_Key": "secret"},
        {"X_API_Key": "secret"},
    ):
        assert ask(exposed.url + path, **given).status == 200


def test_beyond_the_machine_giving_rewards_needs_the_token(exposed: Collector) -> None:
    reward = {"content_type": "application/json"}
    assert ask(f"{exposed.url}/api/rewards", REWARD, **reward).status == 401
    assert ask(f"{exposed.url}/api/rewards", REWARD, **reward, Authorization="Bearer secret").json() == {"stored": 1}


def test_beyond_the_machine_sending_spans_needs_the_token_and_states_are_seen(exposed: Collector) -> None:
    refused = exposed.send(encode_traces([make(9)]))
    assert refused.status == 401
    assert Status.FromString(refused.body).code == 16
    assert exposed.send(encode_traces([make(9)]), X_API_Key="secret").status == 200
    for path in ("/health", "/ready", "/metrics", "/clickhouse/ping", "/docs"):
        assert ask(exposed.url + path).status == 200


def test_beyond_the_machine_commands_on_it_find_their_way(exposed: Collector) -> None:
    info = read_holder(exposed.folder / "store")
    assert info is not None
    assert info.url.startswith("http://127.0.0.1:")
    with LightningStore.open(exposed.dsn) as store:
        assert store.stats()["spans"] >= 2


@pytest.mark.parametrize("path", [*READS, "/health", "/v1/traces"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:4318", "10.0.0.1", "localhost.evil.example", "127.0.0.1.evil.example", ""]
)
def test_a_page_whose_name_was_bound_to_this_machine_gets_nothing(collector: Collector, path: str, host: str) -> None:
    assert ask(collector.url + path, Host=host).status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:4318", "127.0.0.1:1", "127.1.2.3", "[::1]:4318", "[::1]"])
def test_every_name_of_this_machine_is_good(collector: Collector, host: str) -> None:
    assert ask(f"{collector.url}/health", Host=host).status == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
@pytest.mark.parametrize("path", ["/api/rewards", "/v1/traces"])
def test_what_a_page_may_send_across_sites_is_not_taken(collector: Collector, path: str, kind: str) -> None:
    body = REWARD if path == "/api/rewards" else encode_traces([make(8, trace=88)])
    assert ask(collector.url + path, body, content_type=kind, Origin="http://evil.example").status in (415, 422)
    collector.flush()
    assert collector.query("SELECT count() FROM rewards WHERE RolloutId = 'r'").body == b"0\n"
    assert collector.query(f"SELECT count() FROM otel_traces WHERE TraceId = '{88:032x}'").body == b"0\n"


def test_no_answer_lets_other_sites_read_it(collector: Collector) -> None:
    answer = ask(f"{collector.url}/api/traces", Origin="http://evil.example")
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("box", False),
    ],
)
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_ipv6_has_a_url_that_works(tmp_path: Path) -> None:
    with Collector(f"chdb://{tmp_path}/store", tmp_path, "--host", "::1") as running:
        assert running.url.startswith("http://[::1]:")
        assert ask(f"{running.url}/health").status == 200
        with LightningStore.open(running.dsn) as store:
            assert store.stats()["spans"] == 0

"""API keys: each is good for its scopes and its project, by every protocol, until it is revoked."""

from __future__ import annotations

import json
import ssl
import subprocess
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

from leyden_collector.access import KEYS_FRESH_S, WRONG_TRIES, WRONG_WINDOW_S, Access, KeyUnknown, TooManyTries
from leyden_collector.projects import bind_traces
from leyden_store.audit import AuditLog
from leyden_store.keys import KeyInvalid, KeyNotFound, Keys, Scope
from leyden_store.lightning import LightningStore
from leyden_store.otlp import decode_traces, encode_traces
from tests.support.collector import Collector, ask
from tests.support.keys import make_key
from tests.support.otlp_making import chat, make

ADMIN = {"X_API_Key": "secret"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """One that asks for keys."""
    folder = tmp_path_factory.mktemp("guarded")
    with Collector(f"chdb://{folder}/store", folder, "--require-keys", env={"LEYDEN_TOKEN": "secret"}) as running:
        running.send(encode_traces([make(1, project="ours"), chat(2, parent=1, project="ours")]), **ADMIN)
        theirs = [make(3, trace=2, project="theirs"), chat(4, trace=2, parent=3, project="theirs")]
        running.send(encode_traces(theirs), **ADMIN)
        ask(f"{running.url}/api/flush", b"", **ADMIN)
        yield running


@pytest.fixture(scope="module")
def keys(guarded: Collector) -> dict[str, str]:
    made = {}
    for name, scope, project in [
        ("sender", "ingest", ""), ("reader", "read", ""), ("writer", "write", ""), ("root", "admin", ""),
        ("our sender", "ingest", "ours"), ("our reader", "read", "ours"), ("our writer", "write", "ours"),
    ]:  # fmt: skip
        body = json.dumps({"name": name, "scopes": [scope], "project": project}).encode()
        answer = ask(f"{guarded.url}/api/keys", body, content_type="application/json", **ADMIN)
        assert answer.status == 201, answer.body
        made[name] = answer.json()["key"]
    return made


def status(collector: Collector, key: str, method: str, path: str) -> int:
    body = {
        "/v1/traces": encode_traces([make(9, trace=9)]),
        "/api/rewards": b'{"rollout_id": "r", "value": 1}',
        "/api/queries/q": b'{"where": "1"}',
    }.get(path) if method in ("POST", "PUT") else None  # fmt: skip
    kind = "application/x-protobuf" if path == "/v1/traces" else "application/json"
    return ask(collector.url + path, body, method=method, content_type=kind, Authorization=f"Bearer {key}").status


@pytest.mark.parametrize(
    ("method", "path", "good"),
    [
        ("POST", "/v1/traces", {"sender", "root", "our sender"}),
        ("GET", "/api/traces", {"reader", "root", "our reader"}),
        ("GET", "/api/search?text=hello", {"reader", "root", "our reader"}),
        ("GET", f"/api/traces/{1:032x}", {"reader", "root", "our reader"}),
        ("GET", f"/api/traces/{2:032x}", {"reader", "root"}),
        ("GET", "/api/runs", {"reader", "root"}),
        ("GET", "/api/stats", {"reader", "root"}),
        ("GET", "/", {"reader", "root", "our reader"}),
        ("GET", "/runs", {"reader", "root"}),
        ("GET", "/api/traces?project=theirs", {"reader", "root"}),
        ("GET", "/clickhouse?query=SELECT+1", {"reader", "root", "our reader"}),
        ("POST", "/api/rewards", {"writer", "root", "our writer"}),
        ("PUT", "/api/queries/q", {"writer", "root"}),
        ("GET", "/api/keys", {"root"}),
        ("GET", "/api/audit", {"root"}),
        ("POST", "/api/flush", {"sender", "reader", "writer", "root", "our sender", "our reader", "our writer"}),
        ("GET", "/health", {"sender", "reader", "writer", "root", "our sender", "our reader", "our writer"}),
    ],
)
def test_a_key_is_good_for_its_scopes_and_project(
    guarded: Collector, keys: dict[str, str], method: str, path: str, good: set[str]
) -> None:
    answered = {name: status(guarded, key, method, path) for name, key in keys.items()}
    assert {name for name, code in answered.items() if code < 400} == good, answered
    assert {code for code in answered.values() if code >= 400} <= {403, 404}


def test_lists_of_a_projects_key_are_of_its_project(guarded: Collector, keys: dict[str, str]) -> None:
    def projects(key: str, path: str) -> set[str]:
        items = ask(f"{guarded.url}/api/{path}", X_API_Key=keys[key]).json()["items"]
        return {item.get("project") or item["trace_id"] for item in items}

    assert projects("our reader", "traces") == {"ours"}
    assert {"ours", "theirs"} <= projects("reader", "traces")
    assert projects("our reader", "search?text=hello") == {"ours"}
    assert projects("our reader", "turns") == {f"{1:032x}"}
    assert projects("our reader", f"traces?where=TraceId='{2:032x}'") == set()
    other = "traces?where=(SELECT%20count()%20FROM%20otel_traces%20WHERE%20Project='theirs')%20%3E%200"
    assert projects("our reader", other) == set()


def test_a_projects_key_gives_no_rewards_to_others(guarded: Collector, keys: dict[str, str]) -> None:
    def give(**reward: str) -> int:
        body = json.dumps({"value": 1, **reward}).encode()
        url = f"{guarded.url}/api/rewards"
        return ask(url, body, content_type="application/json", X_API_Key=keys["our writer"]).status

    assert give(trace_id=f"{1:032x}") == 200
    assert give(trace_id=f"{2:032x}") == 403
    assert give(response_id="resp-2-4") == 403


@pytest.mark.parametrize("way", ["bearer", "basic", "x-api-key", "x-clickhouse-key", "password"])
def test_a_key_may_be_shown_in_any_way(guarded: Collector, keys: dict[str, str], way: str) -> None:
    key, query = keys["reader"], ""
    basic = b64encode(f"leyden:{key}".encode()).decode()
    headers = {
        "bearer": {"Authorization": f"Bearer {key}"},
        "basic": {"Authorization": f"Basic {basic}"},
        "x-api-key": {"X_API_Key": key},
        "x-clickhouse-key": {"X_ClickHouse_Key": key},
        "password": {},
    }[way]
    if way == "password":
        query = f"&user=x&password={key}"
    assert ask(f"{guarded.url}/clickhouse?query=SELECT+1{query}", **headers).body == b"1\n"


def export(exporter: SpanExporter, name: str) -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span(name):
        pass
    provider.shutdown()


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_opentelemetrys_exporters_show_a_key_by_their_headers(
    guarded: Collector, keys: dict[str, str], protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what a key for one project sends is of that project, whatever it says itself."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization=Bearer%20{keys['our sender']}")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "leyden.project=theirs")
    if protocol == "http":
        export(HttpExporter(endpoint=f"{guarded.url}/v1/traces"), f"by {protocol}")
    else:
        export(GrpcExporter(endpoint=grpc_of(guarded), insecure=True), f"by {protocol}")
    ask(f"{guarded.url}/api/flush", b"", **ADMIN)
    sql = f"SELECT Project, ResourceAttributes['leyden.project'] FROM otel_traces WHERE SpanName = 'by {protocol}'"
    assert guarded.query(sql, **ADMIN).body == b"ours\tours\n"


def grpc_of(collector: Collector) -> str:
    return next(word for word in collector.log.split() if word.startswith("http") and word.rstrip(";") != collector.url)


def test_grpc_without_a_key_is_unauthenticated(guarded: Collector, keys: dict[str, str]) -> None:
    with grpc.insecure_channel(grpc_of(guarded).partition("//")[2]) as channel:
        for metadata, code in [
            ((), grpc.StatusCode.UNAUTHENTICATED),
            ((("authorization", f"Bearer {keys['reader']}"),), grpc.StatusCode.PERMISSION_DENIED),
        ]:
            with pytest.raises(grpc.RpcError) as caught:
                TraceServiceStub(channel).Export(decode_request(encode_traces([make(1)])), metadata=metadata)
            assert caught.value.code() == code


def decode_request(body: bytes):  # type: ignore[no-untyped-def]
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    return ExportTraceServiceRequest.FromString(body)


def test_a_refused_sender_is_told_in_otlps_words(guarded: Collector, keys: dict[str, str]) -> None:
    for headers, http, code in [({}, 401, 16), ({"X_API_Key": keys["reader"]}, 403, 7)]:
        answer = guarded.send(encode_traces([make(1)]), **headers)
        assert (answer.status, Status.FromString(answer.body).code) == (http, code)


def test_a_revoked_key_is_good_for_nothing_at_once(guarded: Collector, keys: dict[str, str]) -> None:
    body = json.dumps({"name": "brief", "scopes": ["read"]}).encode()
    made = ask(f"{guarded.url}/api/keys", body, content_type="application/json", **ADMIN).json()
    assert ask(f"{guarded.url}/api/traces", X_API_Key=made["key"]).status == 200
    ask(f"{guarded.url}/api/keys/{made['key_id']}", method="DELETE", **ADMIN)
    assert ask(f"{guarded.url}/api/traces", X_API_Key=made["key"]).status == 401


def test_who_read_what_is_in_the_audit_log(guarded: Collector, keys: dict[str, str]) -> None:
    ask(f"{guarded.url}/api/traces/{1:032x}", X_API_Key=keys["our reader"])
    ask(f"{guarded.url}/api/search?text=hello", X_API_Key=keys["reader"])
    ask(f"{guarded.url}/api/labels?target={1:032x}", X_API_Key=keys["reader"])
    ask(f"{guarded.url}/clickhouse?query=SELECT+number+FROM+numbers(7)", X_API_Key=keys["reader"])
    entries = ask(f"{guarded.url}/api/audit?limit=1000", **ADMIN).json()["items"]
    assert {
        ("our reader", "read", f"trace {1:032x}", 2, "ours"),
        ("reader", "sql", "SELECT number FROM numbers(7)", 7, ""),
        ("reader", "read", f"labels of {1:032x}", 0, ""),
    } <= {tuple(entry[name] for name in ("name", "action", "subject", "rows", "project")) for entry in entries}
    assert "search" in {entry["action"] for entry in entries}
    assert not any(key in json.dumps(entries) for key in keys.values())


def test_no_key_is_in_the_collectors_log(guarded: Collector, keys: dict[str, str]) -> None:
    assert not any(key in guarded.log for key in (*keys.values(), "secret"))


def test_open_ingest_lets_agents_send_and_nobody_read(tmp_path: Path) -> None:
    with Collector(f"chdb://{tmp_path}/store", tmp_path, "--require-keys", "--open-ingest") as opened:
        assert opened.send(encode_traces([make(1)])).status == 200
        assert ask(f"{opened.url}/api/traces").status == 401


def test_tls_with_a_certificate_made_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name_of_bundle in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name_of_bundle, raising=False)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *name, *files],
        check=True, capture_output=True,
    )  # fmt: skip
    options = ["--tls-cert", str(cert), "--tls-key", str(key)]
    with Collector(f"chdb://{tmp_path}/store", tmp_path, *options) as secure:
        assert secure.url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(cert))
        with urllib.request.urlopen(f"{secure.url}/health", context=trusting) as answer:
            assert answer.status == 200
        export(HttpExporter(endpoint=f"{secure.url}/v1/traces", certificate_file=str(cert)), "by https")
        credentials = grpc.ssl_channel_credentials(cert.read_bytes())
        export(GrpcExporter(endpoint=grpc_of(secure), credentials=credentials), "by grpcs")
        from leyden.posting import Collector as Held
        from leyden_store.holder import read_holder

        held = read_holder(tmp_path / "store")
        assert held is not None
        Held.holding(held).flush()
        with LightningStore.open(secure.dsn) as store:
            assert store.stats()["spans"] == 2


@pytest.mark.parametrize("options", [["--tls-cert", "x"], ["--tls-cert", "/dev/null", "--tls-key", "/dev/null"]])
def test_tls_that_cannot_be_is_one_clear_line(tmp_path: Path, options: list[str]) -> None:
    collector = Collector(f"chdb://{tmp_path}/store", tmp_path, *options)
    with pytest.raises(AssertionError, match=r"leyden: (TLS needs both|cannot serve TLS)"):
        collector.start()
    collector.kill()


def test_keys_are_stored_as_hashes_and_ended_once(store: LightningStore) -> None:
    keys = Keys(store.connection)
    key, secret = keys.create("ci", [Scope.READ, Scope.WRITE], project="p")
    assert keys.all() == [key]
    assert key.is_of(secret)
    assert not key.is_of(f"{secret}x")
    (row,) = store.connection.rows("SELECT * FROM api_keys")
    assert secret.split("_", 2)[2] not in str(row)  # its own text may hold an underscore
    ended = keys.revoke(key.key_id)
    assert keys.revoke(key.key_id) == ended
    assert not ended.is_of(secret)
    for wrong in ({"name": " ", "scopes": [Scope.READ]}, {"name": "x", "scopes": []}):
        with pytest.raises(KeyInvalid):
            keys.create(**wrong)  # type: ignore[arg-type]
    with pytest.raises(KeyInvalid, match="admin"):
        keys.create("x", [Scope.ADMIN], project="p")
    with pytest.raises(KeyNotFound):
        keys.revoke("nope")


def test_wrong_keys_are_limited_in_rate_and_right_ones_are_not(store: LightningStore) -> None:
    now = [0.0]
    access = Access("secret", anonymous=False, keys=Keys(store.connection), now=lambda: now[0])
    right = {"x-api-key": make_key(store, "r", Scope.READ)}
    assert access.authorize(right, peer="a").may(Scope.READ)
    for n in range(WRONG_TRIES):
        with pytest.raises(KeyUnknown):
            access.authorize({"x-api-key": f"wrong {n}"}, peer="a")
    with pytest.raises(TooManyTries):
        access.authorize({"x-api-key": "wrong"}, peer="a")
    with pytest.raises(TooManyTries):  # even the right one, if it never came from there
        access.authorize({"x-api-key": "secret"}, peer="a")
    assert access.authorize(right, peer="a").name == "r"
    assert access.authorize({"x-api-key": "secret"}, peer="b").may(Scope.ADMIN)
    now[0] += WRONG_WINDOW_S + 1
    assert access.authorize({"x-api-key": "secret"}, peer="a").may(Scope.ADMIN)


def test_a_key_revoked_elsewhere_ends_within_seconds(store: LightningStore) -> None:
    now = [0.0]
    keys = Keys(store.connection)
    access = Access("secret", anonymous=False, keys=keys, now=lambda: now[0])
    key, secret = keys.create("r", [Scope.READ])
    assert access.authorize({"authorization": f"Bearer {secret}"}).key_id == key.key_id
    keys.revoke(key.key_id)
    now[0] += KEYS_FRESH_S
    with pytest.raises(KeyUnknown):
        access.authorize({"authorization": f"Bearer {secret}"})


def test_a_project_is_set_on_everything(store: LightningStore) -> None:
    said = {"leyden.project": "b", "n": 1}
    spans = [make(1, project="a", attributes=said), make(2, resource={"leyden.project": "c"})]
    bound = list(decode_traces(bind_traces(encode_traces(spans), "p")))
    assert {span.project for span in bound} == {"p"}
    assert bound[0].attributes == {"n": 1}
    assert bind_traces(b"", "") == b""


def test_exports_training_and_keys_are_always_written_down(store: LightningStore) -> None:
    from leyden_store.runs import Run
    from leyden_store.selection import Selection

    store.record_dataset(
        form="turns", path="/x", selection=Selection(), rows=3, sha256="", report="{}", spans=[("t", "s")]
    )
    store.runs.start(Run("r1", "trl-sft", "m"), [("t", "s")])
    trained, exported = AuditLog(store.connection).read()
    assert (exported.action, exported.rows) == ("export", 3)
    assert (trained.action, trained.rows) == ("train", 1)
    assert exported.name

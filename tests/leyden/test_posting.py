"""What commands say to a collector arrives, with its token if it has one; what it answers else is one clear error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from leyden.posting import Collector, post_json
from leyden_store.errors import CallRefused, StoreUnreachable
from leyden_store.holder import HolderInfo


class Listening(ThreadingHTTPServer):
    """A fake collector: notes what it is sent, and refuses `/refuse`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[tuple[str, str | None, bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Listening

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, self.headers["Authorization"], body))
        self.send_response(400 if self.path == "/refuse" else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Listening]:
    with Listening() as listening:
        Thread(target=listening.serve_forever, daemon=True).start()
        yield listening
        listening.shutdown()


def test_the_holder_of_a_store_is_spoken_to_with_its_token(server: Listening) -> None:
    held = Collector.holding(HolderInfo(1, "leyden up", f"{server.url}/clickhouse", "secret"))
    held.take(b"spans")
    held.flush()
    assert server.heard == [("/v1/traces", "Bearer secret", b"spans"), ("/api/flush", "Bearer secret", b"")]


def test_json_arrives_as_json(server: Listening) -> None:
    post_json(f"{server.url}/api/rewards", [{"value": 1}])
    assert [(path, token, json.loads(body)) for path, token, body in server.heard] == [
        ("/api/rewards", None, [{"value": 1}])
    ]


def test_a_refusal_and_silence_are_told_apart(server: Listening) -> None:
    with pytest.raises(CallRefused, match="answered 400"):
        post_json(f"{server.url}/refuse", {})
    server.server_close()
    server.shutdown()
    with pytest.raises(StoreUnreachable, match="nothing answers"):
        Collector("http://127.0.0.1:1").flush()

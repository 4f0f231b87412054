"""Calls to other servers: what is answered, what is refused and why, and what silence looks like."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from leyden_store.calling import call
from leyden_store.errors import CallRefused, NoAnswer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        told = {"method": self.command, "auth": self.headers["Authorization"], "body": body.decode()}
        answers = {
            "/refused": (409, {"error": {"message": "no such thing"}}),
        }
        status, answer = answers.get(self.path, (200, told))
        text = b"gone\n wrong" if self.path == "/odd" else json.dumps(answer).encode()
        self.send_response(500 if self.path == "/odd" else status)
        self.send_header("Content-Length", str(len(text) + (9 if self.path == "/torn" else 0)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_PUT = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_value_is_posted_and_the_answer_read(url: str) -> None:
    assert json.loads(call(url))["method"] == "GET"
    assert json.loads(call(url, {"a": 1}, token="t")) == {"method": "POST", "auth": "Bearer t", "body": '{"a": 1}'}
    given = json.loads(call(url, b"bytes", method="PUT", headers={"Authorization": "Basic x"}))
    assert given == {"method": "PUT", "auth": "Basic x", "body": "bytes"}


def test_a_refusal_says_what_the_server_said(url: str) -> None:
    with pytest.raises(CallRefused, match=r"/refused answered 409: no such thing$") as refused:
        call(f"{url}/refused", {})
    assert (refused.value.code, refused.value.said) == (409, "no such thing")
    with pytest.raises(CallRefused, match="answered 500: gone wrong"):
        call(f"{url}/odd")


def test_silence_and_half_an_answer_are_no_answer(url: str) -> None:
    with pytest.raises(NoAnswer, match=r"nothing answers at http://127\.0\.0\.1:9: .*refused"):
        call("http://127.0.0.1:9")
    with pytest.raises(NoAnswer, match="IncompleteRead"):
        call(f"{url}/torn")
    with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(NoAnswer, match="timed out"):
        call(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout_s=0.2)

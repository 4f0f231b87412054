"""What stands around a body is bounded too: no connection makes the collector keep what it sends for ever."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import BinaryIO

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from leyden_collector.bounded_http import MAX_HEAD_BYTES, BoundedHttp

POST = b"POST /size HTTP/1.1\r\nHost: x\r\n"
LONG = b"y" * (MAX_HEAD_BYTES + 1000)


async def size(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{len(await request.body())} bytes")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = Starlette(routes=[Route("/size", size, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(app, http=BoundedHttp, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield int(listener.getsockname()[1])
        server.should_exit = True
        thread.join(10)


def answers_of(stream: BinaryIO, count: int) -> Iterator[bytes]:
    """The bodies of so many answers."""
    for _ in range(count):
        length = 0
        while line := stream.readline().strip():
            length = int(line.partition(b":")[2]) if line.startswith(b"content-length") else length
        yield stream.read(length)


def answer(port: int, *parts: bytes) -> bytes:
    """What is answered to these bytes, until the connection is closed or nothing more comes for a while."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
        found = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(1 << 16):
                found += piece
                if b" bytes" in found:
                    break
        return found


@pytest.mark.parametrize("count", [0, 1, 100_000, 5_000_000])
def test_a_body_of_any_size_is_taken(port: int, count: int) -> None:
    said = answer(port, POST + b"Content-Length: %d\r\n\r\n" % count, b"z" * count)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.endswith(b"%d bytes" % count)


def test_chunks_and_requests_one_behind_the_other_are_taken(port: int) -> None:
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"3\r\nabc\r\n" * 50_000 + b"0\r\n\r\n"
    many = POST + b"X: " + b"y" * 1000 + b"\r\nContent-Length: 0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, connection.makefile("rb") as answers:
        connection.sendall(chunked + many * 100)  # heads are counted one by one
        said = list(answers_of(answers, 101))
    assert said == [b"150000 bytes", *[b"0 bytes"] * 100]


@pytest.mark.parametrize(
    "parts",
    [
        [b"POST /", LONG, b" HTTP/1.1\r\n\r\n"],
        [POST, b"X: ", LONG, b"\r\n\r\n"],
        [POST, b"X: ", *[b"y" * 1000] * 1000],
        [POST, *[b"X-%d: " % n + b"y" * 100 + b"\r\n" for n in range(2000)]],
        [POST, b"Transfer-Encoding: chunked\r\n\r\n3;", *[b"y" * 1000] * 1000],
        [POST, b"Transfer-Encoding: chunked\r\n\r\n0\r\n", *[b"X-%d: y\r\n" % n for n in range(20_000)]],
    ],
    ids=["target", "header", "half a header", "headers", "chunk extension", "trailers"],
)
def test_a_head_without_end_is_refused(port: int, parts: list[bytes]) -> None:
    assert answer(port, *parts)[:13] in (b"HTTP/1.1 400 ", b"")  # the connection may be gone before it is read
    said = answer(port, POST + b"Content-Length: 1\r\n\r\nx")
    assert said.endswith(b"1 bytes")

"""Senders: agents that post requests over connections kept open, until all are acknowledged."""

from __future__ import annotations

import http.client
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import grpc

from ingest.spans import Load

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_TRIES = 300


@dataclass
class Sent:
    """seconds: until the last acknowledgement. answers: how many of each status. latencies: each request's seconds."""

    seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)


def send_http(url: str, load: Load, *, kind: str = PROTOBUF, connections: int = 8, rate: float | None = None) -> Sent:
    """Post every body to URL/v1/traces; what is refused is tried again. rate: requests a second, all together."""
    target = urlsplit(url)

    def connect() -> Callable[[bytes], str]:
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)

        def post(body: bytes) -> str:
            connection.request("POST", "/v1/traces", body, {"Content-Type": kind})
            response = connection.getresponse()
            response.read()
            return "ok" if response.status == 200 else str(response.status)

        return post

    return _send(connect, load, connections, rate)


def send_grpc(url: str, load: Load, *, connections: int = 8) -> Sent:
    """Export every body over gRPC, a channel a sender."""
    target = urlsplit(url).netloc

    def connect() -> Callable[[bytes], str]:
        channel = grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")

        def post(body: bytes) -> str:
            try:
                export(body, timeout=60)
            except grpc.RpcError as error:
                return str(error.code().name)
            return "ok"

        return post

    return _send(connect, load, connections, None)


def _send(connect: Callable[[], Callable[[bytes], str]], load: Load, connections: int, rate: float | None) -> Sent:
    work: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
    start = time.perf_counter()
    for number, body in enumerate(load.bodies):
        work.put((start + number / rate if rate else 0.0, body))
    sent = Sent()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            post = connect()
            while not failed:
                due, body = work.get_nowait()
                if (early := due - time.perf_counter()) > 0:
                    time.sleep(early)
                begun = time.perf_counter()
                for _ in range(_TRIES):
                    answer = post(body)
                    sent.answers[answer] += 1
                    if answer == "ok":
                        break
                    time.sleep(0.05)
                sent.latencies.append(time.perf_counter() - begun)
        except queue.Empty:
            return
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    sent.seconds = time.perf_counter() - start
    return sent

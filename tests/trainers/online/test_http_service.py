"""The runner `http`: the agent is a service; every job is answered once, and its trace gets its root."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from leyden_trainers.errors import RunnerInvalid
from leyden_trainers.online.runner import Assignment, Policy, Ran, start_runner
from leyden_trainers.online.tasks import Task
from tests.support.otlp_sink import OtlpSink

POLICY = Policy("http://127.0.0.1:9/v1", "fake", "3")


class Service:
    """An agent as a small HTTP service. What it does a job's input says: plainly, by a job to ask for, or badly."""

    def __init__(self) -> None:
        self.jobs: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.deleted: list[str] = []
        self.most = self._now = 0
        lock = threading.Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                job = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with lock:
                    service.jobs.append(({k.lower(): v for k, v in self.headers.items()}, job))
                    seen = sum(one["rollout_id"] == job["rollout_id"] for _, one in service.jobs)
                    service._now += 1
                    service.most = max(service.most, service._now)
                self._act(job["input"], seen)
                with lock:
                    service._now -= 1

            def _act(self, wanted: str, seen: int) -> None:
                match wanted:
                    case "busy" if seen < 3:
                        self._say(503, {"error": "full"}, retry_after="0.05")
                    case "breaks" if seen < 2:
                        self.close_connection = True
                    case "fails":
                        self._say(200, {"error": "no answer found"})
                    case "wrong":
                        self._say(400, {"error": "what is this?"})
                    case "text":
                        self._say(200, None)
                    case "polled" | "hangs":
                        self._say(202, {}, location=f"/jobs/{wanted}", retry_after="0.05")
                    case _:
                        time.sleep(0.05)
                        self._say(200, {"output": wanted.upper()})

            def do_GET(self) -> None:
                with lock:
                    service.jobs.append(({}, {"rollout_id": self.path}))
                    asked = sum(one["rollout_id"] == self.path for _, one in service.jobs)
                if self.path == "/jobs/hangs" or asked < 3:
                    self._say(202, {}, retry_after="0.05")
                else:
                    self._say(200, {"output": "at last"})

            def do_DELETE(self) -> None:
                service.deleted.append(self.path)
                self._say(200, {})

            def _say(self, status: int, value: Any, **headers: str) -> None:
                body = b"plain words" if value is None else json.dumps(value).encode()
                self.send_response(status)
                for name, text in headers.items():
                    self.send_header(name.replace("_", "-"), text)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/run"

    def __enter__(self) -> Service:
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


@pytest.fixture
def sink() -> Iterator[OtlpSink]:
    with OtlpSink() as listening:
        yield listening


def work(*inputs: str) -> list[Assignment]:
    return [Assignment(f"s/{i}", "g 1", 0, Task("t", value, {"reference": "x"})) for i, value in enumerate(inputs)]


def results(service: Service, sink: OtlpSink, *inputs: str, **settings: Any) -> dict[str, Ran]:
    given = {"agent": service.url, "collector": sink.url, "timeout_s": 20.0, "settle_s": 0.0, **settings}
    with closing(start_runner("http", given)) as runner:
        found = list(runner.run(work(*inputs), POLICY))
    assert len(found) == len(inputs)
    return {inputs[int(ran.rollout_id.removeprefix("s/"))]: ran for ran in found}


def test_every_way_a_service_answers(service: Service, sink: OtlpSink) -> None:
    found = results(service, sink, "plain", "polled", "fails", "wrong", "text", "busy", "breaks", concurrency=4)
    assert {name: (ran.output, ran.error, ran.attempts) for name, ran in found.items()} == {
        "plain": ("PLAIN", None, 1),
        "polled": ("at last", None, 1),
        "fails": (None, "no answer found", 1),
        "wrong": (None, "the service answered 400: what is this?", 1),
        "text": ("plain words", None, 1),
        "busy": ("BUSY", None, 1),  # it had not begun
        "breaks": ("BREAKS", None, 2),
    }
    roots = [span for span in sink.spans if not span.parent_id]
    assert len(roots) == 8, "one a try"
    tries = {(span.attributes["leyden.rollout.id"], span.attributes["leyden.attempt"]): span for span in roots}
    assert tries["s/2", 0].status_message == "no answer found"
    assert (tries["s/6", 0].status, tries["s/6", 1].status) == ("Error", "Unset")


def test_the_service_is_told_all_that_attributes_its_work(service: Service, sink: OtlpSink) -> None:
    results(service, sink, "plain", project="p", policy_url="http://gpu:8000/v1")
    ((headers, job),) = service.jobs
    (root,) = sink.spans
    assert headers["traceparent"] == f"00-{root.trace_id}-{root.span_id}-01"
    assert set(headers["baggage"].split(",")) == {
        "leyden.rollout.id=s%2F0",
        "leyden.group.id=g%201",
        "leyden.attempt=0",
        "leyden.project=p",
        "leyden.policy.version=3",
    }
    assert (headers["x-leyden-rollout-id"], headers["x-leyden-project"]) == ("s/0", "p")
    assert job["policy"] == {"base_url": "http://gpu:8000/v1", "model": "fake", "version": "3"} | {
        name: job["policy"][name] for name in job["policy"].keys() - {"base_url", "model", "version"}
    }
    assert (job["task"], job["input"], job["collector"]) == ({"id": "t", "reference": "x"}, "plain", sink.url)


def test_what_takes_too_long_is_called_off(service: Service, sink: OtlpSink) -> None:
    ran = results(service, sink, "hangs", timeout_s=0.5)["hangs"]
    assert (ran.error, ran.timed_out) == ("took longer than 0.5 s and was called off", True)
    assert service.deleted == ["/jobs/hangs"]


def test_what_is_not_taken_is_called_off_and_no_more_run_than_asked_for(service: Service, sink: OtlpSink) -> None:
    runner = start_runner("http", {"agent": service.url, "collector": sink.url, "settle_s": 0.0, "concurrency": 2})
    answers = iter(runner.run(work("plain", "hangs", "plain", "plain"), POLICY))
    assert next(answers).output == "PLAIN"
    began = time.monotonic()
    answers.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 5
    assert service.deleted == ["/jobs/hangs"]
    assert service.most <= 2
    assert [ran.output for ran in runner.run(work("plain"), POLICY)] == ["PLAIN"], "and it can be used again"


def test_an_agent_that_is_no_service_is_said_at_once() -> None:
    with pytest.raises(RunnerInvalid, match="is no service"):
        start_runner("http", {"agent": "agent.py:act", "collector": "http://127.0.0.1:9"})

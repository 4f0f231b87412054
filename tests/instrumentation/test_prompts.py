"""Prompts in the agent: filled, marked on spans, kept for a while, and never what an agent waits for or dies of."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

import leyden
from leyden_instrumentation import prompt_fetching
from leyden_instrumentation.prompt_fetching import Cache
from leyden_instrumentation.prompts import Prompt, VariableMissing
from tests.instrumentation.conftest import Run
from tests.support.otlp_sink import OtlpSink


class Api:
    """The API of a collector as far as agents ask it, to be slow or broken at will; not a collector."""

    def __init__(self) -> None:
        self.version = 1
        self.wait = 0.0
        self.broken = False
        self.asked: list[str | None] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                tag = f'"{api.version}"'
                api.asked.append(self.headers.get("if-none-match"))
                time.sleep(api.wait)
                body = json.dumps({"name": "p", "version": api.version, "text": f"text {api.version}"}).encode()
                same = self.headers.get("if-none-match") == tag
                self.send_response(503 if api.broken else 304 if same else 200)
                self.send_header("etag", tag)
                self.end_headers()
                if not same:
                    self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    made = Api()
    monkeypatch.setattr(prompt_fetching, "PATIENCE", 1.0)
    yield made
    made.close()


class Clock:
    """A time that tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(st.dictionaries(st.from_regex(r"[A-Za-z_]\w{0,5}", fullmatch=True), st.text(), min_size=1))
def test_filling_puts_every_value_in_its_place_once(values: dict[str, str]) -> None:
    text = "|".join(f"{{{{ {name} }}}}" for name in values)
    assert Prompt("p", 1, text).fill(**values, unused_value="x") == "|".join(values.values())


def test_a_variable_without_a_value_is_named() -> None:
    with pytest.raises(VariableMissing, match=r"the prompt 'p' takes city: give fill\(city=…\)"):
        Prompt("p", 1, "{{name}} in {{city}}").fill(name="Ann")
    assert str(Prompt("p", 1, "no {variables} {{}}")) == "no {variables} {{}}"


def test_a_prompt_is_asked_for_once_in_its_time_and_then_by_its_tag(api: Api) -> None:
    clock = Clock()
    cache = Cache({"OTEL_EXPORTER_OTLP_ENDPOINT": api.url}, clock)

    def had() -> str:
        return cache.get("p", "production", None, 60).text

    assert [had(), had()] == ["text 1", "text 1"]
    assert api.asked == [None]
    clock.now += 61
    assert had() == "text 1"
    assert api.asked == [None, '"1"']
    api.version = 2
    assert had() == "text 1"
    clock.now += 61
    assert had() == "text 2"
    assert cache.get("p", "production", 1, 0).version == 2, "the API here knows one version alone"
    clock.now += 1e6
    cache.get("p", "production", 1, 0)
    assert len(api.asked) == 4, "a version never changes, so it is never asked for again"


def test_threads_that_ask_at_once_make_one_request(api: Api) -> None:
    cache = Cache({"OTEL_EXPORTER_OTLP_ENDPOINT": api.url})
    api.wait = 0.1
    threads = [threading.Thread(target=cache.get, args=("p", "production", None, 60)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert api.asked == [None]


@pytest.mark.parametrize("trouble", ["slow", "broken", "away"])
def test_a_collector_in_trouble_costs_a_moment_and_the_last_text_serves(
    api: Api, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    cache = Cache({"OTEL_EXPORTER_OTLP_ENDPOINT": api.url}, clock)
    assert cache.get("p", "production", None, 60).version == 1
    clock.now += 61
    api.version, api.wait, api.broken = 2, 3.0 * (trouble == "slow"), trouble == "broken"
    if trouble == "away":
        api.close()
    began = time.monotonic()
    assert [cache.get("p", "production", None, 60).version for _ in range(50)] == [1] * 50
    assert time.monotonic() - began < 20, "50 times a second would be more"
    assert [record.message.count("version 1 serves on") for record in caplog.records] == [1]
    if trouble != "away":
        api.wait, api.broken = 0.0, False
        clock.now += prompt_fetching.RETRY
        assert cache.get("p", "production", None, 60).version == 2


def test_without_a_collector_there_is_the_fallback_or_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(prompt_fetching, "cache", Cache())
    with pytest.raises(
        leyden.PromptUnavailable, match=r"'p' cannot be had from http://127.0.0.1:9: Connection refused"
    ):
        leyden.prompt("p")
    own = leyden.prompt("p", fallback="Hello {{name}}")
    assert (own.version, own.fill(name="Ann")) == ("fallback", "Hello Ann")


def test_the_environment_may_set_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEYDEN_PROMPTS", '{"p": {"version": "try-3", "text": "tried"}}')
    assert leyden.prompt("p", version=2, fallback="own") == Prompt("p", "try-3", "tried")
    monkeypatch.setenv("LEYDEN_PROMPTS", '{"p": "text"}')
    with pytest.raises(leyden.PromptUnavailable, match="LEYDEN_PROMPTS is not"):
        leyden.prompt("p", fallback="own")


def test_spans_begun_after_it_is_filled_name_prompt_and_version(
    recorded: dict[str, str], run: Run, sink: OtlpSink
) -> None:
    script = """
        import asyncio, threading
        import leyden
        from opentelemetry import trace
        tracer = trace.get_tracer("test")
        planner, writer = leyden.prompt("planner"), leyden.prompt("writer")

        def work(name):
            with tracer.start_as_current_span(name):
                pass

        with leyden.rollout("r-a"):
            work("before")
            planner.fill(goal="x")
            work("planned")
            thread = threading.Thread(target=work, args=("planned in a thread",))
            thread.start()
            thread.join()
            with writer, writer:
                work("written")
            work("planned again")
        work("outside")

        async def task(prompt, name):
            str(prompt)
            await asyncio.sleep(0.01)
            work(name)

        async def both():
            await asyncio.gather(task(writer, "task w"), task(leyden.prompt("other"), "task o"))
        asyncio.run(both())
    """
    texts = {"planner": "Plan {{goal}}", "writer": "Write", "other": "Other"}
    pinned = {name: {"version": number, "text": text} for number, (name, text) in enumerate(texts.items(), 1)}
    done = run(script, env=recorded | {"LEYDEN_PROMPTS": json.dumps(pinned)})
    assert (done.returncode, done.stderr) == (0, "")
    said = {
        span.name: (span.attributes.get("gen_ai.prompt.name"), span.attributes.get("leyden.prompt.version"))
        for span in sink.spans
    }
    none, planned, written = (None, None), ("planner", 1), ("writer", 2)
    assert {name: one for name, one in said.items() if not name.startswith("invoke_workflow")} == {
        "before": none, "planned": planned, "planned in a thread": planned, "written": written,
        "planned again": planned, "outside": none, "task w": written, "task o": ("other", 3),
    }  # fmt: skip

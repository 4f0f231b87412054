"""`rollout()` and `reward()`, for agents and runners that choose to know of Leyden."""

from __future__ import annotations

import asyncio
import math
import signal

import pytest

import leyden
from tests.instrumentation.conftest import Run
from tests.support.otlp_sink import OtlpSink


def test_without_opentelemetry_set_up_nothing_happens() -> None:
    with leyden.rollout("mine") as one:
        leyden.reward(1)
    assert one.rollout_id == "mine"

    @leyden.rollout(name="solve")
    async def solve(x: int) -> int:
        return x + 1

    assert asyncio.run(solve(1)) == 2
    with pytest.raises(ValueError, match="finite"):
        leyden.reward(math.nan)


def test_rollouts_are_traces_of_their_own_with_their_own_ids(
    recorded: dict[str, str], run: Run, sink: OtlpSink
) -> None:
    script = """
        import asyncio, threading
        import leyden
        from opentelemetry import trace
        tracer = trace.get_tracer("test")

        def work(name):
            with tracer.start_as_current_span(name):
                pass

        with leyden.rollout("r-a", "g-a", 0, policy_version=5, name="first"):
            work("sync")
            thread = threading.Thread(target=work, args=("thread",))
            thread.start()
            thread.join()
            leyden.reward(0.5, "quality", explanation="fair", label="ok")

        @leyden.rollout(group_id="g-b", name="second")
        async def second(name):
            await asyncio.sleep(0.01)
            await asyncio.create_task(asyncio.to_thread(work, name))

        async def both():
            await asyncio.gather(second("x"), second("y"))
        asyncio.run(both())
        try:
            with leyden.rollout("r-c"):
                raise KeyError("gone")
        except KeyError:
            pass
        leyden.reward(1)
    """
    done = run(script, env=recorded)
    assert (done.returncode, done.stderr) == (0, "")
    by_name = {s.name: s for s in sink.spans}
    root, first = by_name["invoke_workflow agent.py"], by_name["invoke_workflow first"]
    assert len({s.trace_id for s in sink.spans}) == 5
    assert (first.parent_id, first.links) == ("", [root.trace_id])
    for name in ("sync", "thread", "reward quality"):
        span = by_name[name]
        assert (span.trace_id, span.parent_id) == (first.trace_id, first.span_id)
        ids = [span.attributes[f"leyden.{n}"] for n in ("rollout.id", "group.id", "attempt", "policy.version")]
        assert ids == ["r-a", "g-a", 0, 5]
    assert by_name["reward quality"].events == [
        (
            "gen_ai.evaluation.result",
            {
                "gen_ai.evaluation.name": "quality",
                "gen_ai.evaluation.score.value": 0.5,
                "gen_ai.evaluation.score.label": "ok",
                "gen_ai.evaluation.explanation": "fair",
            },
        )
    ]
    x, y = by_name["x"], by_name["y"]
    assert x.attributes["leyden.rollout.id"] != y.attributes["leyden.rollout.id"]
    assert x.attributes["leyden.group.id"] == y.attributes["leyden.group.id"] == "g-b"
    gone = by_name["invoke_workflow rollout"]
    assert (gone.status, gone.attributes["leyden.rollout.id"]) == ("Error", "r-c")
    last = by_name["reward reward"]
    assert (last.parent_id, last.attributes["leyden.rollout.id"]) == (root.span_id, "r-1")


def test_a_reward_is_out_before_the_process_dies(recorded: dict[str, str], run: Run, sink: OtlpSink) -> None:
    script = """
        import os, signal, time
        import leyden
        leyden.reward(0.25)
        time.sleep(2.5)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert run(script, env=recorded).returncode == -signal.SIGKILL
    assert [s.events[0][1]["gen_ai.evaluation.score.value"] for s in sink.spans] == [0.25]


def test_a_decorated_generator_is_a_rollout_to_its_end(recorded: dict[str, str], run: Run, sink: OtlpSink) -> None:
    script = """
        import asyncio
        import leyden
        from opentelemetry import trace
        tracer = trace.get_tracer("test")

        @leyden.rollout(name="stream")
        def stream():
            for name in ("a", "b"):
                with tracer.start_as_current_span(name):
                    pass
                yield name

        @leyden.rollout(name="astream")
        async def astream():
            yield 1
            with tracer.start_as_current_span("c"):
                pass

        async def main():
            return [x async for x in astream()]

        for item in stream():
            with tracer.start_as_current_span("outside"):
                pass
        asyncio.run(main())
    """
    done = run(script, env=recorded)
    assert (done.returncode, done.stderr) == (0, "")
    by_name = {s.name: s for s in sink.spans}
    stream, astream = by_name["invoke_workflow stream"], by_name["invoke_workflow astream"]
    assert [by_name[n].parent_id for n in "abc"] == [stream.span_id, stream.span_id, astream.span_id]
    assert by_name["outside"].parent_id == by_name["invoke_workflow agent.py"].span_id
    assert stream.attributes["leyden.rollout.id"] != astream.attributes["leyden.rollout.id"]


def test_an_agent_called_over_http_joins_the_rollout_it_is_called_from(
    recorded: dict[str, str], run: Run, sink: OtlpSink
) -> None:
    """By the headers that any OpenTelemetry instrumentation of HTTP sends and reads: W3C trace context and baggage."""
    calling = """
        import json
        import leyden
        from opentelemetry import propagate

        def headers():
            carrier = {}
            propagate.inject(carrier)
            return carrier

        sent = [headers()]
        with leyden.rollout("r-inside", attempt=4):
            sent.append(headers())
        print(json.dumps(sent))
    """
    done = run(calling, env=recorded)
    assert (done.returncode, done.stderr) == (0, "")
    callers = {s.name: s for s in sink.spans}
    sink.clear()
    called = """
        import json, sys
        from opentelemetry import context, propagate, trace
        for headers in json.loads(sys.argv[1]):
            token = context.attach(propagate.extract(headers))
            with trace.get_tracer("test").start_as_current_span("called"):
                pass
            context.detach(token)
    """
    other = {k: v for k, v in recorded.items() if k not in ("LEYDEN_ATTEMPT", "LEYDEN_GROUP_ID")}
    assert run(called, done.stdout, env=other | {"LEYDEN_ROLLOUT_ID": "r-of-the-server"}).returncode == 0
    outside, inside = [s for s in sink.spans if s.name == "called"]
    for span, caller in ((outside, "invoke_workflow agent.py"), (inside, "invoke_workflow rollout")):
        assert (span.trace_id, span.parent_id) == (callers[caller].trace_id, callers[caller].span_id)
    ids = ("leyden.rollout.id", "leyden.group.id", "leyden.attempt")
    assert [outside.attributes[i] for i in ids] == ["r-1", "g-1", 2]
    assert [inside.attributes.get(i) for i in ids] == ["r-inside", "g-1", 4]

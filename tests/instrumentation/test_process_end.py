"""However a process ends, its spans get out, its own output and exit code stay as they are, and nothing hangs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from leyden_instrumentation import environment
from tests.instrumentation.conftest import Run
from tests.support.fake_llm import FakeLlm
from tests.support.otlp_sink import OtlpSink

SPAN = """
    from opentelemetry import trace
    tracer = trace.get_tracer("test")
    def work(name):
        with tracer.start_as_current_span(name):
            pass
"""


def test_an_unhandled_exception_is_on_the_root(recorded: dict[str, str], run: Run, sink: OtlpSink) -> None:
    done = run(SPAN + "    work('before')\n    raise RuntimeError('out of luck')", env=recorded)
    assert done.returncode == 1
    assert done.stderr.endswith("RuntimeError: out of luck\n")
    root, before = sink.spans
    assert (root.status, root.status_message) == ("Error", "RuntimeError: out of luck")
    assert [(name, event["exception.type"]) for name, event in root.events] == [("exception", "RuntimeError")]
    assert (before.name, before.parent_id) == ("before", root.span_id)


def test_sys_exit_keeps_its_code(recorded: dict[str, str], run: Run, sink: OtlpSink) -> None:
    assert run(SPAN + "    work('w')\n    import sys; sys.exit(7)", env=recorded).returncode == 7
    assert [s.name for s in sink.spans] == ["invoke_workflow agent.py", "w"]


def test_sigterm_ends_the_root_and_still_kills(recorded: dict[str, str], sink: OtlpSink) -> None:
    code = "import time; print('up', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], env=recorded, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM
    (root,) = sink.spans
    assert (root.status, root.status_message) == ("Error", "terminated by SIGTERM")


def test_workers_of_multiprocessing_get_their_spans_out(recorded: dict[str, str], run: Run, sink: OtlpSink) -> None:
    script = (
        SPAN
        + """
    import multiprocessing, sys
    def child(name):
        work(name)
        if name == "leaves":
            sys.exit(3)
    if __name__ == "__main__":
        for name, how in (("forked", "fork"), ("leaves", "fork"), ("spawned", "spawn")):
            p = multiprocessing.get_context(how).Process(target=child, args=(name,))
            p.start()
            p.join()
            print(p.exitcode)
        work("parent")
    """
    )
    done = run(script, env=recorded)
    assert (done.stdout, done.stderr) == ("0\n3\n0\n", "")
    spans = sink.spans
    assert len({s.trace_id for s in spans}) == 1
    assert {"forked", "leaves", "spawned", "parent"} < {s.name for s in spans}
    assert [s.name for s in spans].count("invoke_workflow agent.py") == 1


def test_a_forked_copy_leaves_the_root_to_its_owner(recorded: dict[str, str], run: Run, sink: OtlpSink) -> None:
    script = """
    import os, sys
    if os.fork() == 0:
        work("child")
        sys.exit(0)
    os.wait()
    work("parent")
    """
    assert run(SPAN + script, env=recorded).returncode == 0
    assert sorted(s.name for s in sink.spans) == ["child", "invoke_workflow agent.py", "parent"]


def test_a_collector_that_is_away_costs_one_line_and_a_moment(bare: dict[str, str], run: Run) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    start = time.monotonic()
    done = run(SPAN + "    work('lost')\n    print('done')", env=environment(bare, endpoint=url))
    assert time.monotonic() - start < 8
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"leyden: spans do not reach {url}")


def test_a_collector_that_never_answers_costs_no_more(bare: dict[str, str], run: Run) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        done = run(SPAN + "    work('lost')\n    import os; os.write(1, b'done')", env=environment(bare, endpoint=url))
        assert time.monotonic() - start < 8
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "done", 1)


def test_a_program_in_the_caller_s_trace_and_programs_it_starts(
    recorded: dict[str, str], run: Run, sink: OtlpSink
) -> None:
    caller = {"TRACEPARENT": "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01", "BAGGAGE": "leyden.group.id=from-afar"}
    env = {k: v for k, v in recorded.items() if k != "LEYDEN_GROUP_ID"} | caller
    script = SPAN + "    import subprocess, sys; subprocess.run([sys.executable, '-c', 'pass'], check=True)"
    assert run(script, env=env).returncode == 0
    root, child = sink.spans
    assert (root.trace_id, root.parent_id) == ("ab" * 16, "cd" * 8)
    assert (child.trace_id, child.parent_id) == (root.trace_id, root.span_id)
    assert {s.attributes["leyden.group.id"] for s in sink.spans} == {"from-afar"}


def test_no_root_span_where_none_is_wanted(recorded: dict[str, str], run: Run, sink: OtlpSink) -> None:
    assert run(SPAN + "    work('alone')", env=recorded | {"LEYDEN_ROOT_SPAN": "false"}).returncode == 0
    (span,) = sink.spans
    assert (span.name, span.parent_id, span.attributes["leyden.rollout.id"]) == ("alone", "", "r-1")
    assert os.environ.get("TRACEPARENT") is None


def test_a_forked_worker_gets_its_spans_out_when_it_is_terminated(
    recorded: dict[str, str], run: Run, sink: OtlpSink
) -> None:
    """As servers that fork their workers end them."""
    script = """
    import os, signal, sys, time
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        work("served")
        os.write(tell, b"x")
        time.sleep(60)
    os.read(ready, 1)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    work("parent")
    """
    done = run(SPAN + script, env=recorded)
    assert (done.stdout, done.stderr) == ("-15\n", "")
    assert sorted(s.name for s in sink.spans) == ["invoke_workflow agent.py", "parent", "served"]


def test_an_abandoned_stream_is_recorded(recorded: dict[str, str], run: Run, sink: OtlpSink, llm: FakeLlm) -> None:
    script = """
        from openai import OpenAI
        stream = OpenAI().chat.completions.create(
            model="fake", messages=[{"role": "user", "content": "stream"}], stream=True)
        for kept in stream:
            break
        del stream
    """
    for kind in ("traceloop", "genai", "openinference"):
        sink.clear()
        done = run(script, env=recorded | {"LEYDEN_OPENAI_INSTRUMENTATION": kind})
        assert done.returncode == 0
        assert len(sink.spans) == 2, kind
        if kind == "genai":  # the default
            call = sink.spans[1]
            assert (call.status, "gen_ai.output.messages" in call.attributes) == ("Error", True)


@pytest.mark.parametrize("listening", [False, True])
def test_no_call_of_a_model_waits_for_a_collector(
    listening: bool, bare: dict[str, str], run: Run, llm: FakeLlm
) -> None:
    """One that is gone refuses, one that hangs never answers: three batches of calls go on as ever."""
    script = """
        import time
        from openai import OpenAI
        chat, slowest = OpenAI().chat.completions, 0.0
        for number in range(200):
            start = time.perf_counter()
            chat.create(model="fake", messages=[{"role": "user", "content": "hi"}])
            slowest = max(slowest, time.perf_counter() - start) if number else 0.0
        print(int(slowest * 1000), flush=True)
    """
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listening:
            silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = run(script, env=environment(bare | llm.env(), endpoint=url))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2000  # a collector is given ten seconds to answer
    assert done.stderr.count("\n") == 1


def test_a_burst_that_the_collector_does_not_take_costs_bounded_memory_and_blocks_nobody(
    bare: dict[str, str], run: Run
) -> None:
    """The queue holds 10,000 spans; what comes on top of it goes, and no call waits."""
    script = """
        import resource, time
        from opentelemetry import trace
        tracer = trace.get_tracer("test")

        def burst(count):
            slowest = 0.0
            for number in range(count):
                start = time.perf_counter()
                with tracer.start_as_current_span("call", attributes={"text": f"{number} " * 500}):
                    pass
                slowest = max(slowest, time.perf_counter() - start)
            return slowest

        slowest = burst(12_000)
        full = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        slowest = max(slowest, burst(12_000))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - full
        print(int(slowest * 1000), grown // 1024, flush=True)
        import os; os._exit(0)
    """
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        done = run(script, env=environment(bare, endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}"))
    milliseconds, megabytes = map(int, done.stdout.split())
    assert milliseconds < 1000
    assert megabytes < 20

"""The Lightning Server as a process: it says where it is, ends in order when told to, and can be killed."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import openai
import pytest

from tests.support.otlp_sink import OtlpSink
from tests.support.scripted_llm import REPLY, Answer, ScriptedLlm, sse
from tests.trainers.policy_server.fronting import HELLO
from tests.trainers.policy_server.test_upstream import chunk, streaming

COMMAND = [sys.executable, "-m", "leyden", "serve"]


@contextmanager
def started(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, once it has said its URL, and that URL. Killed at the end if it still runs."""
    process = subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], timeout: float = 30) -> tuple[int, str, str]:
    said, errors = process.communicate(timeout=timeout)
    return process.returncode, said, errors


def test_it_prints_its_url_when_ready_and_ends_cleanly_on_sigterm(tiny: Path) -> None:
    with started("--model", str(tiny), "--port", "0", "--policy-version", "v3", "--threads", "1") as (process, url):
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(url.removesuffix("/v1") + "/health").json()["policy_version"] == "v3"
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (0, "", "")


def test_a_folder_without_a_model_is_one_clear_line(tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "--model", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"leyden: {tmp_path} holds no model: it has no config.json\n"


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ["--upstream", "http://127.0.0.1:9/v1", "--port", str(port)]
        done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr == f"leyden: cannot listen on 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize("options", [[], ["--model", "m", "--upstream", "http://u"], ["--upstream", "gpu-7:8000"]])
def test_misuse_is_one_clear_line(options: list[str]) -> None:
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_an_upstream_is_fronted_without_the_libraries_of_models() -> None:
    with ScriptedLlm() as llm, OtlpSink() as sink:
        with started("--upstream", llm.url, "--port", "0", "--collector", sink.url) as (process, url):
            assert httpx.post(f"{url}/chat/completions", json=HELLO).status_code == 200
            maps = Path(f"/proc/{process.pid}/maps").read_text()
            process.send_signal(signal.SIGTERM)
            assert ended(process) == (0, "", "")
        assert len(sink.spans) == 1, "what is recorded is sent before the end"
    assert not [name for name in ("torch", "numpy", "pyarrow", "chdb") if name in maps]


def test_what_is_under_way_when_told_to_stop_may_end() -> None:
    go_on = threading.Event()
    answer = Answer(pieces=sse(chunk("a"), chunk("b")), before_last=lambda: go_on.wait(10))
    with ScriptedLlm(answer) as llm, started("--upstream", llm.url, "--port", "0") as (process, url):
        with httpx.stream("POST", f"{url}/chat/completions", json=HELLO | {"stream": True}) as reply:
            pieces = reply.iter_text()
            next(pieces)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            assert process.poll() is None
            go_on.set()
            assert "[DONE]" in "".join(pieces)
        assert ended(process) == (0, "", "")


def test_what_does_not_end_is_cut_off_when_the_time_is_over() -> None:
    answer = Answer(pieces=sse(chunk("a"), chunk("b")), before_last=lambda: time.sleep(10))
    with ScriptedLlm(answer) as llm, OtlpSink() as sink:
        options = ["--upstream", llm.url, "--port", "0", "--drain", "1", "--collector", sink.url]
        with started(*options) as (process, url), streaming(url.removesuffix("/v1")) as reply:
            next(reply.iter_text())
            process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            code, _, errors = ended(process)
            assert time.monotonic() - begun < 8
        (span,) = sink.spans
    assert (code, span.status) == (0, "Error")
    assert "Traceback" not in errors
    assert errors.count("\n") <= 1


def test_a_server_that_is_killed_and_started_again_costs_a_client_only_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    half = Answer(pieces=sse(chunk("a"), chunk("b")), before_last=lambda: time.sleep(0.2))
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=20)
    with client, ScriptedLlm(half, Answer(body=REPLY)) as llm, ThreadPoolExecutor(4) as pool:
        options = ["--upstream", llm.url, "--port", port]
        with started(*options) as (first, _):
            stream = client.chat.completions.create(**HELLO, stream=True)
            next(stream)
            first.kill()
            first.wait()
            with pytest.raises(openai.APIConnectionError):  # never a stream that seems complete
                list(stream)
            more = [pool.submit(client.chat.completions.create, **HELLO) for _ in range(3)]
            with started(*options):
                assert [one.result(60).id for one in more] == ["chatcmpl-up"] * 3

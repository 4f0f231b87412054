"""Recorded calls on their way to a collector: they cost no request, and none is lost unsaid."""

from __future__ import annotations

import time

import httpx
import pytest

from leyden_trainers.policy_server.naming import Caller
from leyden_trainers.policy_server.recording.delivery import Delivery
from leyden_trainers.policy_server.recording.recorder import Recording
from tests.support.otlp_sink import OtlpSink
from tests.support.scripted_llm import Answer, ScriptedLlm
from tests.trainers.policy_server.fronting import fronting, post


def test_a_collector_that_is_away_costs_no_request_and_gets_all_when_it_is_back(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with OtlpSink() as gone:
        port = int(gone.url.rpartition(":")[2])
    with ScriptedLlm() as llm, fronting(llm.url, collector=gone.url) as front:
        begun = time.monotonic()
        assert {post(front).status_code for _ in range(20)} == {200}
        assert time.monotonic() - begun < 20, "none waits for the collector"
        assert httpx.get(f"{front}/health").json()["recording"]["waiting"] == 20
        with OtlpSink(port) as back:
            assert httpx.post(f"{front}/admin/flush", timeout=20).json()["delivered"] == 20
            assert len(back.spans) == 20
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert f"recorded calls do not reach {gone.url}/v1/traces" in said


def test_what_could_not_be_delivered_is_counted_and_said(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        ScriptedLlm(Answer(401, {"error": "no key"})) as refusing,
        ScriptedLlm() as llm,
        fronting(llm.url, collector=refusing.url.removesuffix("/v1")) as front,
    ):
        assert post(front).status_code == 200
        counts = httpx.post(f"{front}/admin/flush").json()
    assert (counts["recorded"], counts["lost"]) == (1, 1)
    assert "1 of 1 recorded calls did not reach" in capfd.readouterr().err


def test_what_waits_is_bounded(capfd: pytest.CaptureFixture[str]) -> None:
    delivery = Delivery("http://127.0.0.1:9", lambda _: b"", {}, room=1000)
    for _ in range(5):
        delivery.put(_recording(size=400))
    assert delivery.counts.lost == 3
    delivery.close(patience=0.1)
    assert "5 of 5 recorded calls did not reach" in capfd.readouterr().err


def _recording(size: int) -> Recording:
    return Recording(Caller(), "0" * 32, "/chat/completions", {}, "openai", None, "", size=size)

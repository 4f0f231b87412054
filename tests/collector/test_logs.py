"""GenAI's log events join their spans: over HTTP and gRPC, before or after them, in other requests, or a day late."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub

from leyden_store.otlp import encode_traces
from tests.support.cli import Cli, clean_environment
from tests.support.collector import Answer, Collector, ask
from tests.support.otlp_making import DAY_NS, NOW_NS, make

CASE = Path(__file__).parents[1] / "store" / "dialects" / "cases" / "events-toolloop"
ROOT = Path(__file__).parents[2]


def event(
    trace: int, span: int, name: str, body: dict[str, Any] | str, *, at_ns: int = NOW_NS, **attributes: str
) -> ExportLogsServiceRequest:
    """One log record of an LLM span."""
    request = ExportLogsServiceRequest()
    record = (
        request.resource_logs.add()
        .scope_logs.add()
        .log_records.add(trace_id=trace.to_bytes(16), span_id=span.to_bytes(8), event_name=name, time_unix_nano=at_ns)
    )
    if isinstance(body, str):
        record.body.string_value = body
    else:
        for key, value in body.items():
            record.body.kvlist_value.values.add(key=key).value.string_value = value
    for key, value in attributes.items():
        record.attributes.add(key=key.replace("__", ".")).value.string_value = value
    return request


def asked(trace: int, span: int, text: str, **rest: Any) -> ExportLogsServiceRequest:
    return event(trace, span, "gen_ai.user.message", {"content": text}, **rest)


def llm_span(trace: int, span: int) -> bytes:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "tiny", "gen_ai.usage.output_tokens": 2}
    return encode_traces([make(span, trace=trace, attributes=attributes)])


def send(collector: Collector, request: ExportLogsServiceRequest) -> Answer:
    return ask(f"{collector.url}/v1/logs", request.SerializeToString())


def rejected(answer: Answer) -> tuple[int, str]:
    said = ExportLogsServiceResponse.FromString(answer.body).partial_success
    return said.rejected_log_records, said.error_message


def messages(collector: Collector, trace: int) -> list[Any]:
    assert collector.flush().status == 200
    turns = ask(f"{collector.url}/api/turns?where=TraceId%20=%20'{trace:032x}'").json()["items"]
    (turn,) = turns["items"] if isinstance(turns, dict) else turns
    return [message["content"] for message in turn["messages"]]


def test_a_record_joins_its_span_whichever_came_first(collector: Collector) -> None:
    assert send(collector, asked(11, 1, "before")).status == 200
    collector.send(llm_span(11, 1))
    assert messages(collector, 11) == ["before"]
    assert send(collector, asked(11, 1, "after", at_ns=NOW_NS + 5)).status == 200
    assert messages(collector, 11) == ["before", "after"]


def test_a_record_a_day_late_joins_too(collector: Collector) -> None:
    collector.send(llm_span(12, 1))
    send(collector, asked(12, 1, "late", at_ns=NOW_NS + DAY_NS))
    assert messages(collector, 12) == ["late"]


def test_a_record_sent_twice_counts_once(collector: Collector) -> None:
    collector.send(llm_span(13, 1))
    for other in ("a", "b"):  # in two batches
        batch = asked(13, 1, "hi")
        batch.MergeFrom(asked(14, 2, other))
        send(collector, batch)
    assert messages(collector, 13) == ["hi"]


def test_otlp_json_is_taken(collector: Collector) -> None:
    document = MessageToDict(asked(15, 1, "as JSON"))
    for record in document["resourceLogs"][0]["scopeLogs"][0]["logRecords"]:
        record.update(traceId=f"{15:032x}", spanId=f"{1:016x}")
    answer = ask(f"{collector.url}/v1/logs", json.dumps(document).encode(), content_type="application/json")
    assert (answer.status, answer.json()) == (200, {})
    collector.send(llm_span(15, 1))
    assert messages(collector, 15) == ["as JSON"]


def test_other_records_are_rejected_with_the_reason_and_counted(collector: Collector) -> None:
    before = collector.metrics()
    request = asked(16, 1, "stays")
    request.MergeFrom(event(16, 1, "", "a plain log line"))
    request.MergeFrom(event(16, 1, "http.request", "another event"))
    request.MergeFrom(asked(0, 0, "of no span"))
    answer = send(collector, request)
    count, said = rejected(answer)
    assert (answer.status, count) == (200, 3)
    assert "2 log records are no GenAI events" in said
    assert "1 log records name no span" in said
    after = collector.metrics()
    for reason, n in (("no_genai_event", 2), ("no_span", 1)):
        name = f'leyden_collector_log_records_rejected_total{{reason="{reason}"}}'
        assert after[name] - before.get(name, 0) == n
    collector.send(llm_span(16, 1))
    assert messages(collector, 16) == ["stays"]


def test_the_older_name_of_an_event_is_read(collector: Collector) -> None:
    request = event(17, 1, "", {"content": "of old"}, event__name="gen_ai.user.message")
    assert rejected(send(collector, request)) == (0, "")
    collector.send(llm_span(17, 1))
    assert messages(collector, 17) == ["of old"]


def test_a_score_in_a_record_rewards_by_span_or_by_reply(collector: Collector) -> None:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "tiny", "gen_ai.response.id": "resp-18"}
    collector.send(encode_traces([make(1, trace=18, attributes=attributes)]))
    by_span = event(18, 1, "gen_ai.evaluation.result", "", gen_ai__evaluation__name="one")
    by_reply = event(
        0, 0, "gen_ai.evaluation.result", "", gen_ai__evaluation__name="two", gen_ai__response__id="resp-18"
    )
    for request, value in ((by_span, 0.5), (by_reply, 0.25)):
        record = request.resource_logs[0].scope_logs[0].log_records[0]
        record.attributes.add(key="gen_ai.evaluation.score.value").value.double_value = value
        record.ClearField("body")
        assert rejected(send(collector, request)) == (0, "")
    collector.flush()
    turns = ask(f"{collector.url}/api/turns?where=TraceId%20=%20'{18:032x}'").json()["items"]
    (turn,) = turns["items"] if isinstance(turns, dict) else turns
    assert turn["rewards"] == {"one": 0.5, "two": 0.25}


def test_malformed_logs_are_400(collector: Collector) -> None:
    assert ask(f"{collector.url}/v1/logs", b"\xff" * 9).status == 400
    assert ask(f"{collector.url}/v1/logs", b"{", content_type="application/json").status == 400


def test_records_survive_a_kill(tmp_path: Path) -> None:
    with Collector(f"chdb://{tmp_path}/store", tmp_path) as running:
        assert send(running, asked(19, 1, "kept")).status == 200
        running.kill()
        running.start()
        running.send(llm_span(19, 1))
        assert messages(running, 19) == ["kept"]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_an_agent_that_tells_its_content_in_events_gives_the_turns_of_one_that_tells_it_in_attributes(
    collector: Collector, protocol: str
) -> None:
    at = collector.url if protocol == "http" else collector.grpc
    for content in ("EVENT_ONLY", "SPAN_ONLY"):
        command = [sys.executable, "-m", "tests.support.telling_agent", at, protocol, content, "parallel"]
        subprocess.run(command, cwd=ROOT, env=clean_environment(), check=True, timeout=60)
    assert collector.flush().status == 200
    told, shown = (_turns(collector, f"{protocol}-{content}") for content in ("EVENT_ONLY", "SPAN_ONLY"))
    assert len(told) == len(shown) > 1
    assert told == shown
    assert (
        collector.query(f"SELECT count() > 0 FROM otel_logs WHERE RolloutId = '{protocol}-EVENT_ONLY'").body == b"1\n"
    )


def _turns(collector: Collector, rollout: str) -> list[Any]:
    found = ask(f"{collector.url}/api/turns?where=RolloutId%20=%20'{rollout}'").json()["items"]
    turns = found["items"] if isinstance(found, dict) else found
    keys = ("turn_index", "messages", "response", "tools", "finish_reason", "usage", "params", "model", "status")
    return [{key: turn[key] for key in keys} for turn in turns]


def test_a_file_of_logs_alone_is_ingested_and_waits_for_its_spans(tmp_path: Path) -> None:
    leyden = Cli(tmp_path, f"chdb://{tmp_path}/store")
    (tmp_path / "x.logs.pb").write_bytes((CASE / "logs.pb").read_bytes())
    assert leyden("ingest", "x.logs.pb").stdout == "stored 0 spans and 15 log records from 1 files\n"
    leyden("ingest", CASE / "input.pb")
    expected = json.loads((CASE / "turns.json").read_text())["turns"]
    assert leyden.lines("turns", "--json") == expected


def test_grpc_tells_what_it_rejected(collector: Collector) -> None:
    with grpc.insecure_channel(collector.grpc.removeprefix("http://")) as channel:
        answer = LogsServiceStub(channel).Export(event(20, 1, "", "a line"), timeout=10)
    assert answer.partial_success.rejected_log_records == 1

"""Exports of Langfuse, Phoenix, MLflow and OpenAI become the turns they tell of, and fold when they come again."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leyden.exporting import export
from leyden.importing import Source, sniff
from leyden.ingesting import ingest
from leyden_exporters.options import Options
from leyden_store.lightning import LightningStore
from leyden_store.turns import Turn

USER = {"role": "user", "content": "2+2?"}
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{ "a":2,\\n"b": 2}'}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "4"}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[LightningStore]:
    with LightningStore.open(f"chdb://{tmp_path}/store") as store:
        yield store


def lines(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return path


def taken(store: LightningStore, path: Path, source: Source) -> list[Turn]:
    """The turns of a file, which is known for what it is and changes nothing when it comes twice."""
    assert sniff(path) is source
    first = ingest(store, [path])
    assert first.failures == []
    ingest(store, [path])
    assert store.stats()["spans"] == first.spans
    return list(store.turns())


def langfuse_rows(camel: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"id": "root-1", "trace_id": "3f2b0c1e-1111-4222-8333-444455556666", "type": "SPAN", "name": "agent",
         "start_time": "2026-05-29 13:46:19.963000", "end_time": "2026-05-29 13:46:21", "session_id": "s"},
        {"id": "gen-1", "trace_id": "3f2b0c1e-1111-4222-8333-444455556666", "type": "GENERATION", "name": "chat",
         "parent_observation_id": "root-1", "start_time": "2026-05-29 13:46:20", "end_time": "2026-05-29 13:46:20.5",
         "model": "gpt-4o", "input": {"messages": [USER], "tools": [TOOL]}, "output": CALLING,
         "usage_details": {"input": 9, "output": 3, "total": 12}, "model_parameters": {"temperature": 0.5}},
    ]  # fmt: skip
    if camel:

        def spelt(key: str) -> str:
            head, *tail = key.split("_")
            return head + "".join(part.capitalize() for part in tail)

        rows = [{spelt(key): value for key, value in row.items()} for row in rows]
    return rows


@pytest.mark.parametrize("camel", [False, True])
def test_langfuse_observations_are_turns(here: LightningStore, tmp_path: Path, camel: bool) -> None:
    (turn,) = taken(here, lines(tmp_path / "observations.jsonl", langfuse_rows(camel)), Source.LANGFUSE)
    assert turn.trace_id == "3f2b0c1e111142228333444455556666"
    assert [dict(message) for message in turn.messages] == [USER]
    assert turn.response is not None
    assert turn.response["tool_calls"][0]["function"]["arguments"] == CALL["function"]["arguments"]
    assert (turn.model, turn.usage.input, turn.usage.output) == ("gpt-4o", 9, 3)
    assert turn.end_ns - turn.start_ns == 500_000_000


def test_phoenix_spans_are_turns(here: LightningStore, tmp_path: Path) -> None:
    calls = [
        {
            "tool_call.id": "c1",
            "tool_call.function.name": "add",
            "tool_call.function.arguments": CALL["function"]["arguments"],
        }
    ]
    row = {
        "name": "ChatCompletion", "span_kind": "LLM", "parent_id": None, "status_code": "OK", "status_message": "",
        "start_time": datetime(2026, 5, 1, tzinfo=UTC), "end_time": datetime(2026, 5, 1, 0, 0, 1, tzinfo=UTC),
        "context.trace_id": "ab" * 16, "context.span_id": "cd" * 8, "events": [],
        "attributes.llm.model_name": "gpt-4o", "attributes.llm.token_count.prompt": 9,
        "attributes.llm.input_messages": [{"message.role": "user", "message.content": "2+2?"}],
        "attributes.llm.output_messages": [{"message.role": "assistant", "message.tool_calls": calls}],
    }  # fmt: skip
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "spans.parquet")
    (turn,) = taken(here, tmp_path / "spans.parquet", Source.PHOENIX)
    assert (turn.trace_id, turn.span_id, turn.model, turn.dialect) == ("ab" * 16, "cd" * 8, "gpt-4o", "openinference")
    assert turn.messages[0]["content"] == "2+2?"
    assert turn.response is not None
    assert turn.response["tool_calls"][0]["function"]["arguments"] == CALL["function"]["arguments"]


def test_mlflow_traces_are_turns(here: LightningStore, tmp_path: Path) -> None:
    reply = {
        "id": "r1",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": CALLING, "finish_reason": "tool_calls"}],
    }
    span = {
        "trace_id": base64.b64encode(bytes.fromhex("ab" * 16)).decode(), "name": "Completions",
        "span_id": base64.b64encode(bytes.fromhex("cd" * 8)).decode(), "parent_span_id": None,
        "start_time_unix_nano": 1_790_000_000_000_000_000, "end_time_unix_nano": 1_790_000_001_000_000_000,
        "status": {"code": "STATUS_CODE_OK", "message": ""},
        "attributes": {
            "mlflow.spanType": '"CHAT_MODEL"', "mlflow.spanOutputs": json.dumps(reply),
            "mlflow.spanInputs": json.dumps({"model": "gpt-4o", "messages": [USER], "tools": [TOOL]}),
        },
    }  # fmt: skip
    trace = {
        "info": {"trace_id": "tr-" + "ab" * 16, "trace_metadata": {"mlflow.trace.session": "s"}},
        "data": {"spans": [span]},
    }
    (tmp_path / "traces.json").write_text(json.dumps([trace]))
    (turn,) = taken(here, tmp_path / "traces.json", Source.MLFLOW)
    assert (turn.trace_id, turn.span_id, turn.session_id, turn.status) == ("ab" * 16, "cd" * 8, "s", "ok")
    assert turn.response is not None
    assert turn.response["tool_calls"][0]["function"]["arguments"] == CALL["function"]["arguments"]


def test_openais_file_comes_back_as_it_went(here: LightningStore, tmp_path: Path) -> None:
    done = {"role": "assistant", "content": "4"}
    rows: list[dict[str, Any]] = [
        {"messages": [USER, {**CALLING, "weight": 1}, RESULT, {**done, "weight": 1}], "tools": [TOOL]},
        {"messages": [{"role": "system", "content": "s"}, USER, {**done, "weight": 1}]},
    ]
    path = lines(tmp_path / "chat.jsonl", rows)
    turns = taken(here, path, Source.OPENAI)
    assert len(turns) == 3
    export(here, here.select(), form="openai-sft", out=tmp_path / "back.jsonl", options=Options())
    back = [json.loads(line) for line in (tmp_path / "back.jsonl").read_text().splitlines()]
    for row, came in zip(rows, back, strict=True):
        plain = [{key: value for key, value in message.items() if value is not None} for message in row["messages"]]
        assert came["messages"] == plain
        assert came.get("tools") == row.get("tools")


def test_bad_lines_are_named_and_the_rest_goes_in(here: LightningStore, tmp_path: Path) -> None:
    path = lines(tmp_path / "o.jsonl", langfuse_rows(False))
    path.write_text(path.read_text() + "{ torn\n" + json.dumps({"id": "x", "type": "SPAN"}) + "\n[1]\n")
    done = ingest(here, [path])
    assert done.spans == 2
    assert [failure.split(": ")[1] for failure in done.failures] == ["line 3", "line 4", "line 5"]
    assert "no time" in done.failures[1] or "no start_time" in done.failures[1]


def test_what_is_otlp_is_left_to_otlp(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"resourceSpans": []}')
    assert sniff(tmp_path / "a.json") is None
    (tmp_path / "b.jsonl").write_text("no json")
    assert sniff(tmp_path / "b.jsonl") is None

"""Log records in the store: kept with their types, once each, and joined to their spans."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from leyden_store import rows, sql
from leyden_store.ingest import OtlpWriter, delimited
from leyden_store.lightning import LightningStore
from leyden_store.otlp import decode_logs, encode_traces
from leyden_store.spans import LogRecord
from tests.support.otlp_making import by_id, exact, put

CASES = Path(__file__).parent / "dialects" / "cases"
WITH_LOGS = ("events-toolloop", "genai-events-parallel")


def put_logs(store: LightningStore, *batches: bytes) -> None:
    writer = OtlpWriter(store.connection, "logs")
    try:
        for number, batch in enumerate(batches):
            writer.write(delimited([batch]), token=f"logs {number}")
    finally:
        writer.close()


def stored(store: LightningStore, trace_ids: list[str]) -> list[LogRecord]:
    return list(rows.log_records(store.connection.table(sql.query("logs"), {"trace_ids": ",".join(trace_ids)})))


def test_a_record_comes_back_as_it_was_sent(store: LightningStore) -> None:
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add()
    records.scope.name = "scope"
    for number in range(8):
        record = records.log_records.add(trace_id=b"t" * 16, span_id=b"s" * 8, event_name="gen_ai.x", time_unix_nano=9)
        for key, value in (("i", number), ("big", 2**63 - 1)):
            record.attributes.add(key=key).value.int_value = value
        record.attributes.add(key="empty")
        record.attributes.add(key="deep").value.kvlist_value.values.add(key="k").value.array_value.values.add(
            bytes_value=b"\xff"
        )
        body = record.body
        match number:
            case 0:
                body.string_value = "é\0漢"
            case 1:
                body.int_value = 0
            case 2:
                body.bool_value = False
            case 3:
                body.double_value = 1.0
            case 4:
                body.bytes_value = b"\xff"
            case 5:
                body.array_value.values.add(string_value="a")
            case 6:
                body.kvlist_value.values.add(key="k").value.kvlist_value.values.add(key="").value.int_value = 0
    sent = request.SerializeToString()
    put_logs(store, sent, sent)

    def ordered(found: list[LogRecord]) -> list[object]:
        return [exact(record) for record in sorted(found, key=lambda record: record.attributes["i"])]  # type: ignore[arg-type, return-value]

    assert ordered(stored(store, [b"t".hex() * 16])) == ordered(decode_logs(sent))


@pytest.mark.parametrize("case", WITH_LOGS)
def test_stored_records_give_the_turns_of_the_golden_case(store: LightningStore, case: str) -> None:
    logs = (CASES / case / "logs.pb").read_bytes()
    put_logs(store, logs)
    put(store, (CASES / case / "input.pb").read_bytes())
    put_logs(store, logs, logs)
    expected = json.loads((CASES / case / "turns.json").read_text())["turns"]
    turns = [turn.to_json() | {"cost": None} for turn in store.turns()]
    assert json.loads(json.dumps(turns)) == expected


def test_what_was_exported_with_its_events_and_imported_again_says_nothing_twice(store: LightningStore) -> None:
    logs = (CASES / WITH_LOGS[0] / "logs.pb").read_bytes()
    put_logs(store, logs)
    put(store, (CASES / WITH_LOGS[0] / "input.pb").read_bytes())
    before = by_id(store.spans())
    put(store, encode_traces(store.spans()))
    assert by_id(store.spans()) == before

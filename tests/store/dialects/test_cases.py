"""Every golden case: a capture as a real instrumentation sent it gives exactly the turns a person found right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leyden_store.dialects import recognise
from leyden_store.otlp import decode_traces, encode_traces
from tests.support.capture_golden import CASES, as_json, case_spans, read_case

ALL = sorted(path for path in CASES.iterdir() if path.is_dir())


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_a_capture_gives_its_golden_turns(case: Path) -> None:
    golden = json.loads((case / "turns.json").read_text())
    assert as_json(read_case(case)) == golden


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_every_llm_span_is_a_turn_or_dropped_with_a_reason(case: Path) -> None:
    llm = sum(recognise(span) is not None for span in case_spans(case))
    assert sum(rollout.llm_spans for rollout in read_case(case)) == llm


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_a_capture_written_back_to_otlp_is_read_the_same(case: Path) -> None:
    spans = case_spans(case)
    assert decode_traces(encode_traces(spans)) == spans

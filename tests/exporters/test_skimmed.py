"""Trajectories of skimmed rollouts are those of rollouts that were read: same rows, same report, whatever is asked."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leyden.exporting import export
from leyden_exporters.build import trajectory_table
from leyden_exporters.options import Advantage, Credit, Options, Overlong, PerTurn, RewardFrom
from leyden_exporters.skimmable import SpanSource, StoreSource, Watched
from leyden_exporters.sources import Skimmable
from leyden_store.ingest import OtlpWriter, delimited
from leyden_store.lightning import LightningStore
from leyden_store.otlp import encode_traces
from leyden_store.selection import Selection
from leyden_store.skim import Skimmed
from leyden_store.spans import Span
from tests.store.skim.test_skim import a_call, a_span, span_trees
from tests.support.capture_golden import CASES, case_spans

LAW = settings(deadline=None, max_examples=120)


@st.composite
def conversations(draw: st.DrawFn) -> list[Span]:
    """Rollouts that go on, fork, repeat a prompt, switch agents, with and without logprobs and rewards."""
    spans: list[Span] = []
    for rollout in range(draw(st.integers(1, 4))):
        name, states = f"r{rollout}", [[1, 2]]
        place: dict[str, Any] = {"trace_id": f"t{rollout}", "rollout_id": name, "group_id": "g"}
        for turn in range(draw(st.integers(0, 5))):
            prompt = draw(st.sampled_from([states[-1], states[-1], states[-1], draw(st.sampled_from(states)), [1, 9]]))
            sampled = draw(st.lists(st.integers(3, 5), min_size=1, max_size=3))
            logprobs = draw(st.sampled_from([[-0.5] * len(sampled)] * 3 + [None]))
            agent = draw(st.sampled_from([{}, {}, {"gen_ai.agent.name": "worker"}]))
            finish = draw(st.sampled_from(["stop", "stop", "length"]))
            start = draw(st.sampled_from([turn, turn, 0]))
            policy = draw(st.sampled_from([None, "3", "3", "4"]))
            spans.append(
                a_call(
                    len(spans) + 1, prompt=prompt, sampled=sampled, logprobs=logprobs, finish=finish, start=start,
                    policy_version=policy, more=agent, **place,
                )
            )  # fmt: skip
            states.append([*prompt, *sampled, *draw(st.lists(st.integers(6, 7), max_size=2))])
        for value in draw(st.lists(st.sampled_from([0.0, 1.0, 0.5]), max_size=2)):
            scored = {"gen_ai.evaluation.score.value": value}
            parent = draw(st.sampled_from(["", *[span.span_id for span in spans if span.rollout_id == name]]))
            spans.append(a_span(len(spans) + 1, start=9, parent_span_id=parent, attributes=scored, **place))
    return spans


@st.composite
def wishes(draw: st.DrawFn) -> Options:
    """Options of every kind."""
    return Options(
        reward_from=draw(st.sampled_from(RewardFrom)),
        advantage=draw(st.sampled_from(Advantage)),
        per_turn=draw(st.sampled_from([None, None, *PerTurn])),
        credit=draw(st.sampled_from(Credit)),
        require_logprobs=draw(st.booleans()),
        require_reward=draw(st.booleans()),
        min_reward=draw(st.sampled_from([None, 0.5])),
        drop_truncated=draw(st.booleans()),
        agents=draw(st.sampled_from([None, None, frozenset({"worker"})])),
        tools=draw(st.sampled_from([None, None, None, frozenset({"search"})])),
        last_attempt=draw(st.booleans()),
        per_agent=draw(st.booleans()),
        policy_versions=draw(st.sampled_from([None, frozenset({"3"})])),
        max_tokens=draw(st.sampled_from([None, None, 3, 8])),
        overlong=draw(st.sampled_from(Overlong)),
        train_shared=draw(st.booleans()),
    )


@LAW
@given(conversations(), st.one_of(st.just(Options()), wishes()))
def test_rows_and_report_are_the_same_skimmed_and_read(spans: list[Span], options: Options) -> None:
    assert_same(SpanSource([spans]), options)


@LAW
@given(span_trees(), st.one_of(st.just(Options()), wishes()))
def test_so_they_are_on_trees_with_every_flaw(spans: list[Span], options: Options) -> None:
    assert_same(SpanSource([spans]), options)


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_so_they_are_on_every_golden_capture(case: str) -> None:
    assert_same(SpanSource([case_spans(CASES / case)]), Options())


def test_so_they_are_from_a_store(stored: LightningStore) -> None:
    for options in (Options(), Options(require_reward=True, per_agent=True, max_tokens=30)):
        assert_same(StoreSource(stored), options)


@settings(LAW, max_examples=12)
@given(conversations(), st.lists(st.booleans(), min_size=30, max_size=30), st.randoms(use_true_random=False))
def test_so_they_are_in_whatever_order_and_however_often_spans_are_stored(
    stored: LightningStore, spans: list[Span], again: list[bool], random: Any
) -> None:
    mark = f"{next(_MARKS):016x}"
    own = [
        replace(
            span,
            trace_id=f"{mark}{int(span.trace_id[1:]):016x}",
            span_id=f"{int(span.span_id[1:]):016x}",
            parent_span_id=span.parent_span_id and f"{int(span.parent_span_id[1:]):016x}",
            rollout_id=f"{mark}-{span.rollout_id}",
        )
        for span in spans
    ]
    # The later of two is stored first, so that a merge in between keeps the one that readers take.
    late = [
        replace(span, start_ns=span.start_ns + 5, end_ns=span.end_ns + 5)
        for span, twice in zip(own, again, strict=False)
        if twice
    ]
    random.shuffle(own)
    halves = own[: len(own) // 2], own[len(own) // 2 :]
    for number, part in enumerate((late, *halves)):
        if part:
            OtlpWriter(stored.connection).write(delimited([encode_traces(part)]), token=f"{mark}-{number}")
    if own:
        chosen = Selection(sql=f"SELECT TraceId FROM otel_traces WHERE startsWith(TraceId, '{mark}')")
        source = StoreSource(stored, chosen)
        assert all(isinstance(one, Skimmed) for batch in source.skims() for one in batch)
        assert_same(source, Options())


_MARKS = count(1 << 60)


def test_an_export_tells_of_every_llm_span_in_a_file_beside_it(stored: LightningStore, tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    made = export(stored, Selection(), form="trajectories", out=str(out), options=Options())
    told = pq.read_table(tmp_path / "rows.parquet.report.parquet").to_pylist()
    assert len(told) == made.report["llm_spans"]
    assert sum(row["reason"] is None for row in told) == made.report["kept"]
    assert dict(Counter(row["reason"] for row in told if row["reason"])) == made.report["dropped"]


def test_a_selection_of_spans_holds_for_skimmed_rollouts_too(stored: LightningStore) -> None:
    some = Selection(sql="SELECT TraceId, SpanId FROM otel_traces WHERE SpanId > '8'", by_span=True)
    assert_same(StoreSource(stored, some), Options())


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A store with every golden capture, and conversations like those above."""
    folder = tmp_path_factory.mktemp("skimmed")
    with LightningStore.open(f"chdb://{folder}/store") as store:
        cases = sorted(path for path in CASES.iterdir() if path.is_dir() and not (path / "logs.pb").exists())
        requests = [encode_traces(spans) for spans in (*map(case_spans, cases), made_up())]
        OtlpWriter(store.connection).write(delimited(requests), token="all")
        yield store


def made_up() -> list[Span]:
    """A rollout of each kind that has a way of its own through the columns."""
    root = "0" * 15
    made = []
    kinds: list[dict[str, Any]] = [
        {}, {"indexed": True}, {"indexed": True, "ids_as_attributes": True}, {"logprobs": None}, {"status": "Error"},
        {"finish": "length"}, {"messages": "{"}, {"more": {"gen_ai.agent.name": "worker"}},
        {"more": {"gen_ai.evaluation.score.value": 0.5, "gen_ai.evaluation.name": "judge"}}, {"reply": "resp_7"},
        {"more": {"gen_ai.tool.definitions": json.dumps([{"name": "f", "parameters": {"type": "object"}}])}},
        {"more": {"llm.request.functions.0.parameters": "{"}, "indexed": True}, {"messages": '[{"role":"user"}]'},
        {"prompt": [5] * 300, "indexed": True, "ids_as_attributes": True},
    ]  # fmt: skip
    for number, kind in enumerate(kinds):
        place: dict[str, Any] = {"trace_id": f"{number + 1:032x}", "rollout_id": f"made-up-{number}"}
        prompt = kind.pop("prompt", [1, 2])
        first = a_call(1, prompt=prompt, start=1, end=2, **kind, **place)
        second = a_call(2, prompt=[*prompt, 3, 4, 7], start=3, end=4, **kind, **place)
        scored = {"gen_ai.evaluation.score.value": 1.0 * number}
        third = a_span(3, start=5, parent_span_id=f"{root}0", attributes=scored, **place)
        above = a_span(0, start=0, end=9, attributes={"agent.name": "planner"}, **place)
        made += [replace(span, span_id=root + span.span_id[-1]) for span in (above, first, second, third)]
    return made


def assert_same(source: Skimmable, options: Options) -> None:
    skimmed, told = trajectory_table(source, options)
    read, said = trajectory_table(iter(source), options)
    assert skimmed.to_pylist() == read.to_pylist()
    assert told.to_json() == said.to_json()
    assert list(told.spans) == list(said.spans)


def test_what_the_store_skims_is_counted_for_whoever_watches(stored: LightningStore) -> None:
    seen: list[int | None] = []
    _, report = trajectory_table(Watched(StoreSource(stored), seen.append))
    assert seen.pop() is None
    assert sum(count or 0 for count in seen) == report.rollouts


def test_paths_of_the_columns_are_skimmed_and_not_read(stored: LightningStore) -> None:
    found = [one for batch in StoreSource(stored).skims() for one in batch]
    skimmed = {one.rollout.rollout_id for one in found if not hasattr(one, "turns")}
    assert {"ro-123", *(f"made-up-{number}" for number in (0, 1, 2, 3, 5, 7, 8, 10, 13))} <= skimmed
    assert not {f"made-up-{number}" for number in (4, 6, 9, 11, 12)} & skimmed

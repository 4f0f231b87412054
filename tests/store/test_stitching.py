"""Calls without a root become the conversations they were; what could be either of two stays apart and is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leyden_exporters.formats.turns import FORMAT
from leyden_exporters.options import Options
from leyden_store.lightning import LightningStore
from leyden_store.reading import read_rollouts
from leyden_store.spans import Span
from leyden_store.turns import Rollout
from tests.support.otlp_making import NOW_NS, put

HOUR_NS = 3_600 * 10**9
Said = tuple[str, str]
"""A role and what it said."""


def call(trace: str, said: list[Said], reply: str, *, start: int = 0, root: bool = True, **more: Any) -> Span:
    """One call in a trace of its own, 10 ns long."""

    def written(messages: list[Said]) -> str:
        return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in messages])

    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.id": f"resp-{trace}",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.input.messages": written(said),
        "gen_ai.output.messages": written([("assistant", reply)]),
        **more.pop("attributes", {}),
    }
    parent = "" if root else "above"
    return Span(trace, f"s-{trace}", "chat", start, start + 10, parent, attributes=attributes, **more)


def talk(name: str, replies: list[str], *, start: int = 0, step: int = 100) -> list[Span]:
    """A conversation of a call for each reply, its traces named after it."""
    said: list[Said] = [("user", "hi")]
    calls = []
    for number, reply in enumerate(replies):
        calls.append(call(f"{name}{number}", said, reply, start=start + number * step))
        said = [*said, ("assistant", reply), ("user", f"go on {number}")]
    return calls


def found(spans: list[Span], **options: Any) -> list[list[str]]:
    return [[turn.trace_id for turn in rollout.turns] for rollout in read_rollouts(spans, **options)]


def by_id(spans: list[Span]) -> dict[str, Rollout]:
    return {rollout.rollout_id: rollout for rollout in read_rollouts(spans)}


def test_a_call_that_goes_on_from_an_earlier_ones_reply_is_the_same_rollout() -> None:
    rollout = by_id(talk("a", ["one", "two", "three"]))["a0"]
    assert [turn.trace_id for turn in rollout.turns] == ["a0", "a1", "a2"]
    assert [turn.turn_index for turn in rollout.turns] == [0, 1, 2]
    assert (rollout.trace_ids, rollout.stitched, rollout.left_apart) == (("a0", "a1", "a2"), 2, 0)
    note = "joined to its rollout by what was said before"
    assert [list(turn.notes) for turn in rollout.turns] == [[], [note], [note]]


def test_samples_of_one_prompt_are_told_apart_by_their_replies() -> None:
    spans = [*talk("a", ["one", "two"]), *talk("b", ["uno", "two"], start=1)]
    assert found(spans) == [["a0", "a1"], ["b0", "b1"]]


def test_where_two_could_come_before_a_call_stays_apart_and_is_counted() -> None:
    spans = [*talk("a", ["same", "two", "end"]), *talk("b", ["same", "zwei", "ende"], start=1)]
    assert found(spans) == [["a0"], ["b0"], ["a1", "a2"], ["b1", "b2"]]
    apart = by_id(spans)["a1"]
    assert apart.left_apart == 1
    assert list(apart.turns[0].notes) == ["left apart: 2 conversations could come before"]


def test_a_call_given_again_joins_the_same_rollout() -> None:
    first, second = talk("a", ["one", "two"])
    again = call("b", [("user", "hi"), ("assistant", "one"), ("user", "go on 0")], "other", start=300)
    assert found([first, second, again]) == [["a0", "a1", "b"]]


def test_the_conversation_a_call_names_joins_whatever_was_said() -> None:
    named = {"attributes": {"gen_ai.conversation.id": "c-1"}}
    spans = [call("a", [("user", "hi")], "x", **named), call("b", [("user", "new")], "y", start=50, **named)]
    assert found(spans) == [["a", "b"]]
    assert list(by_id(spans)["a"].turns[1].notes) == ["joined to its rollout by the conversation it names"]


def test_two_conversations_that_share_a_trace_are_one() -> None:
    one, two = ({"attributes": {"gen_ai.conversation.id": name}} for name in ("c-1", "c-2"))
    spans = [call("a", [], "x", **one), call("b", [], "y", start=50, **two)]
    spans += [Span(**{**_fields(call("a", [], "z", start=90, **two)), "span_id": "other"})]
    assert found(spans) == [["a", "b", "a"]]


def _fields(span: Span) -> dict[str, Any]:
    return {name: getattr(span, name) for name in Span.__dataclass_fields__}


def test_an_export_says_how_many_traces_were_joined_and_left_apart(tmp_path: Path) -> None:
    spans = [*talk("a", ["same", "two", "end"]), *talk("b", ["same", "zwei"], start=1)]
    report = FORMAT.write(read_rollouts(spans), tmp_path / "turns.jsonl", Options())
    assert (report.notes["stitched_traces"], report.notes["left_apart"]) == (1, 2)


def test_only_traces_without_a_root_or_a_rollout_are_stitched() -> None:
    first, second = talk("a", ["one", "two"])
    fields = _fields(second)
    rooted = [Span(**{**fields, "parent_span_id": "r"}), Span("a1", "r", "agent", 90, 200)]
    named = Span(**{**fields, "rollout_id": "mine"})
    assert found([first, second]) == [["a0", "a1"]]
    assert found([first, *rooted]) == [["a0"], ["a1"]]
    assert found([first, named]) == [["a0"], ["a1"]]


def test_what_comes_too_late_or_from_another_service_is_another_conversation() -> None:
    first, second = talk("a", ["one", "two"])
    assert found(talk("a", ["one", "two"], step=2 * HOUR_NS)) == [["a0"], ["a1"]]
    assert found([first, Span(**{**_fields(second), "service": "other"})]) == [["a0"], ["a1"]]


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(talk("a", ["one", "two"]), stitching=False) == [["a0"], ["a1"]]
    monkeypatch.setenv("LEYDEN_STITCHING", "off")
    assert found(talk("a", ["one", "two"])) == [["a0"], ["a1"]]


replies = st.lists(st.sampled_from(["one", "two"]), min_size=1, max_size=4)
sessions = st.sampled_from(["", "", "c-1", "c-2"])


@settings(deadline=None)
@given(st.lists(st.tuples(replies, st.integers(0, 500), sessions), max_size=5), st.randoms())
def test_no_call_is_lost_or_told_twice_and_order_does_not_matter(talks: list[Any], chance: Any) -> None:
    spans = [
        Span(**{**_fields(span), "session_id": session})
        for number, (said, start, session) in enumerate(talks)
        for span in talk(f"{number}-", said, start=start)
    ]
    before = read_rollouts(spans)
    assert sorted(turn.trace_id for rollout in before for turn in rollout.turns) == sorted(s.trace_id for s in spans)
    assert sum(len(rollout.trace_ids) for rollout in before) == len(spans)
    assert sum(rollout.stitched for rollout in before) == len(spans) - len(before)
    chance.shuffle(spans)
    assert read_rollouts(spans) == before


def test_a_store_reads_conversations_whole_however_many_talk_at_once(store: LightningStore) -> None:
    spans = [
        Span(**{**_fields(span), "span_id": f"{many:08x}{at:08x}"})
        for many in range(100)
        for at, span in enumerate(talk(f"{many:031x}", [f"one {many}", "two", "three"], start=NOW_NS + many))
    ]
    put(store, spans)
    assert {len(rollout.turns) for rollout in store.rollouts()} == {3}

"""What people say of spans and rollouts is kept with who said it: scores are rewards, corrections are replies."""

from __future__ import annotations

import math

import pytest

from leyden_store.errors import TraceNotFound
from leyden_store.labels import LabelInvalid
from leyden_store.lightning import LightningStore
from tests.support.otlp_making import make, put

TRACE, ROOT, CALL = f"{1:032x}", f"{1:016x}", f"{2:016x}"


@pytest.fixture
def labelled(store: LightningStore) -> LightningStore:
    """A rollout of one call under a root."""
    call = {"gen_ai.operation.name": "chat", "gen_ai.output.messages": '[{"role":"assistant","parts":[]}]'}
    put(store, [make(1, rollout_id="r"), make(2, parent=1, rollout_id="r", attributes=call)])
    return store


def test_a_score_is_a_reward_whose_source_says_who_gave_it(labelled: LightningStore) -> None:
    labelled.labels.score("r", 0.5, author="ann", why="half")
    labelled.labels.score("r", 0.7, author="ann")
    labelled.labels.score(f"{TRACE}/{CALL}", 1.0, name="style", author="bob")
    (rollout,) = labelled.rollouts()
    assert rollout.reward("reward") == 0.7
    assert rollout.turns[0].rewards == {"style": 1.0}
    assert {reward.source for reward in rollout.rewards} == {"label:ann"}


def test_a_target_is_found_by_any_of_its_ids(labelled: LightningStore) -> None:
    for target in ("r", TRACE, TRACE[-1:] and TRACE[:31]):
        assert labelled.labels.find(target).span_id == ""
    assert labelled.labels.find(CALL).span_id == CALL
    with pytest.raises(TraceNotFound, match="several begin with"):
        labelled.labels.find(f"{TRACE}/0")
    for target in ("nothing", "", "/"):
        with pytest.raises(TraceNotFound):
            labelled.labels.find(target)


def test_a_rollout_whose_id_has_a_slash_is_found(store: LightningStore) -> None:
    put(store, [make(1, rollout_id="task/0")])
    assert store.labels.find("task/0").rollout_id == "task/0"


def test_within_a_project_nothing_of_another_is_there(store: LightningStore) -> None:
    put(store, [make(1, project="ours", rollout_id="r"), make(2, trace=2, project="theirs", rollout_id="r")])
    with pytest.raises(TraceNotFound, match="several begin with"):
        store.labels.find("r")
    store.labels.comment("r", "good", project="ours")
    assert [one["text"] for one in store.labels.all("r", "ours")] == ["good"]
    assert store.labels.all("r", "theirs") == []
    for theirs in (f"{2:032x}", f"{2:016x}", f"{2:032x}/{2:016x}"):
        with pytest.raises(TraceNotFound, match="is called"):
            store.labels.find(theirs, "ours")


def test_the_newest_correction_of_a_span_is_the_one(labelled: LightningStore) -> None:
    labelled.labels.correct(CALL, "worse")
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    labelled.labels.correct(CALL, {"content": None, "tool_calls": [call]}, author="ann")
    expected = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert labelled.labels.corrections() == {(TRACE, CALL): expected}


def test_everything_said_is_shown_in_order(labelled: LightningStore) -> None:
    labelled.labels.comment("r", "odd", author="ann")
    labelled.labels.comment(CALL, "here", author="bob")
    labelled.labels.score("r", 1.0, author="ann")
    said = labelled.labels.all("r")
    assert [(one["kind"], one["author"], one["text"]) for one in said] == [
        ("comment", "ann", "odd"), ("comment", "bob", "here"), ("score", "label:ann", ""),
    ]  # fmt: skip
    assert [one["text"] for one in labelled.labels.all(CALL)] == ["here"]


def test_what_says_nothing_is_refused(labelled: LightningStore) -> None:
    with pytest.raises(LabelInvalid, match="finite"):
        labelled.labels.score("r", math.nan)
    with pytest.raises(LabelInvalid, match="of one reply"):
        labelled.labels.correct("r", "better")
    for reply in ("", {}, {"tool_calls": [{"function": {"name": "a", "arguments": {}}}]}):
        with pytest.raises(LabelInvalid):
            labelled.labels.correct(CALL, reply)
    with pytest.raises(LabelInvalid):
        labelled.labels.comment("r", " ")

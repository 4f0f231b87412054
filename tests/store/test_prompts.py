"""Prompts are versioned: saving again makes a new version, labels move, and nothing of either is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leyden_store.lightning import LightningStore
from leyden_store.prompts import PromptInvalid, PromptNotFound, variables_of
from tests.support.otlp_making import make, put


def test_saving_again_makes_a_new_version_and_production_stays(store: LightningStore) -> None:
    first = store.prompts.save("support", "Answer {{customer}}.", description="short", owner="me")
    assert (first.version, first.labels, first.variables) == (1, ("production",), ["customer"])
    second = store.prompts.save("support", "Answer {{customer}} kindly.", parent=1, origin={"critique": "too curt"})
    assert (second.version, second.labels, second.parent) == (2, (), 1)
    assert second.origin == {"critique": "too curt"}
    assert store.prompts.get("support") == first
    assert store.prompts.get("support", 2).text == "Answer {{customer}} kindly."
    assert [one.version for one in store.prompts.all()] == [2]
    assert [one.version for one in store.prompts.versions("support")] == [1, 2]


def test_a_label_moves_and_every_move_is_kept(store: LightningStore) -> None:
    for text in ("a", "b", "c"):
        store.prompts.save("p", text)
    store.prompts.label("p", "production", 3, owner="ann")
    store.prompts.label("p", "trial", 3)
    assert store.prompts.get("p").version == 3
    assert store.prompts.get("p").labels == ("production", "trial")
    store.prompts.label("p", "production", 1, owner="bob")
    assert store.prompts.find("p@production").version == store.prompts.find("p").version == 1
    assert store.prompts.find("p@trial").version == store.prompts.find("p@3").version == 3
    moves = [(m["label"], m["version"], m["owner"]) for m in store.prompts.moves("p") if m["label"] == "production"]
    assert moves[:2] == [("production", 1, "bob"), ("production", 3, "ann")]
    assert len(moves) == 3


def test_what_is_not_there_is_said_with_what_is(store: LightningStore) -> None:
    with pytest.raises(PromptNotFound, match="save one with: leyden prompt save"):
        store.prompts.get("support")
    store.prompts.save("support", "a")
    with pytest.raises(PromptNotFound, match="no prompt is called 'suport'; did you mean support"):
        store.prompts.find("suport")
    with pytest.raises(PromptNotFound, match="'support' has no version 4; it has versions 1, labels production"):
        store.prompts.get("support", 4)
    with pytest.raises(PromptNotFound, match="has no label 'trial'"):
        store.prompts.find("support@trial")
    with pytest.raises(PromptNotFound, match="has no version 9"):
        store.prompts.label("support", "trial", 9)


def test_a_deleted_prompt_is_gone_and_its_versions_are_not_used_again(store: LightningStore) -> None:
    store.prompts.save("p", "a")
    store.prompts.save("p", "b")
    store.prompts.delete("p")
    assert store.prompts.all() == []
    with pytest.raises(PromptNotFound):
        store.prompts.get("p")
    again = store.prompts.save("p", "c")
    assert (again.version, again.labels) == (3, ("production",))


@pytest.mark.parametrize("name", ["", " ", "a b", "a/b", "a@1", ".a", "x" * 201])
def test_names_that_could_not_be_asked_for_are_refused(store: LightningStore, name: str) -> None:
    with pytest.raises(PromptInvalid, match="no prompt's name"):
        store.prompts.save(name, "text")


def test_empty_prompts_and_labels_that_are_numbers_are_refused(store: LightningStore) -> None:
    with pytest.raises(PromptInvalid, match="empty"):
        store.prompts.save("p", " \n")
    store.prompts.save("p", 'any "text" \\ {x:String} %s {{ unfinished')
    with pytest.raises(PromptInvalid, match="no label"):
        store.prompts.label("p", "2", 1)
    assert store.prompts.get("p").text == 'any "text" \\ {x:String} %s {{ unfinished'


@given(st.lists(st.from_regex(r"[A-Za-z_]\w{0,5}", fullmatch=True)), st.sampled_from(["", " ", "  "]))
def test_variables_are_named_once_in_order(names: list[str], space: str) -> None:
    text = " and ".join(f"{{{{{space}{name}{space}}}}}" for name in names) + " {not} {{1}} {{a b}}"
    assert variables_of(text) == list(dict.fromkeys(names))


def test_a_prompts_name_and_version_on_a_span_are_small_attributes_apart_from_content(store: LightningStore) -> None:
    marks = {"gen_ai.prompt.name": "support", "leyden.prompt.version": 3}
    put(store, [make(1), make(2, parent=1, attributes=marks | {"gen_ai.prompt.0.content": "Hello"})])
    found = store.sql(
        "SELECT SpanAttributes['leyden.prompt.version'] AS version, count() AS n FROM otel_traces"
        " WHERE SpanAttributes['gen_ai.prompt.name'] = 'support' GROUP BY version"
    ).to_pylist()
    assert found == [{"version": "3", "n": 1}]

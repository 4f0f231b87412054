"""A history read with the help of earlier ones is read as by itself, whatever was read before it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leyden_store.dialects._growing import Shape, read_flat, read_text
from leyden_store.dialects._values import flattened, nested


def as_it_is(item: Any) -> list[dict[str, Any]]:
    return [{"item": item}]


SHAPE: Shape = (("", as_it_is), ("messages", as_it_is))
leaves = st.sampled_from(["", "x", '"]', "],[", 1, 12, 1.0, True, None, "messages"])
values = leaves | st.lists(leaves, max_size=2) | st.dictionaries(st.sampled_from(["a", "messages"]), leaves, max_size=2)
histories = st.lists(values, max_size=4)
fields = st.dictionaries(st.sampled_from(["model", "tools", "n"]), values, max_size=2)
spacing = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " : ")])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Lists and objects as JSON, of few values so that one often begins as another; sometimes cut or added to."""
    value: Any = draw(histories)
    if draw(st.booleans()):
        value = {**draw(fields), "messages": value, **draw(fields)}
    text = json.dumps(value, separators=draw(spacing))
    return draw(st.sampled_from([text, text, text, " " + text + "\n", text[:-1], text + "]", text + ",", text + " 1"]))


def by_itself(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if isinstance(found, list):
        return "", {}, [{"item": item} for item in found]
    if not isinstance(found.get("messages"), list):
        return None
    messages = [{"item": item} for item in found.pop("messages")]
    return "messages", found, messages


@settings(deadline=None)
@given(st.lists(texts(), max_size=8))
def test_a_text_is_read_the_same_after_any_others(many: list[str]) -> None:
    for text in many:
        assert repr(read_text(text, SHAPE)) == repr(by_itself(text))


@settings(deadline=None)
@given(st.lists(st.lists(st.dictionaries(st.sampled_from(["a", "b.0", "b.1.c"]), leaves), max_size=4), max_size=6))
def test_flattened_messages_are_read_the_same_after_any_others(many: list[list[dict[str, Any]]]) -> None:
    for items in many:
        attributes = {f"p.{i}.{key}": value for i, item in enumerate(items) for key, value in item.items()}
        (pairs,) = flattened(attributes, "p")
        told = [[{"item": nested(item)}] for item in pairs]
        assert repr(read_flat(pairs, _nested)) == repr([message for messages in told for message in messages])


def _nested(item: Any) -> list[dict[str, Any]]:
    return [{"item": nested(item)}]


def test_what_was_said_before_is_read_once() -> None:
    read: list[Any] = []

    def counted(item: Any) -> list[dict[str, Any]]:
        read.append(item)
        return [{"item": item}]

    shape: Shape = (("messages", counted),)
    for many in range(1, 6):
        read_text(json.dumps({"model": "m", "messages": list(range(10, 10 + many)), "n": many}), shape)
    assert read == [10, 11, 12, 13, 14]


@pytest.mark.parametrize("text", ['{"messages": [1], "messages": [2]}', '{"messages": 1}', "7", "[1", ""])
def test_what_is_no_history_is_left_to_others(text: str) -> None:
    assert read_text(text, SHAPE) is None


def test_an_item_that_cannot_be_read_is_told() -> None:
    def refuse(item: Any) -> list[dict[str, Any]]:
        raise KeyError(item)

    with pytest.raises(KeyError):
        read_text("[1]", (("", refuse),))

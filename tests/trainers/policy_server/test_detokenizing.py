"""What is said piece by piece is what would be said at once, and no piece holds what may yet be taken back."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from leyden_trainers.policy_server.detokenizing import Detokenizer, Speech, StopWatch, spoken

TEXTS = st.text(max_size=20) | st.text("aé😀\u200d🏳️‍🌈<tool_call>{} \n", max_size=40)
CALL = '<tool_call> {"name": "f", "arguments": {"a": 1}} </tool_call>'


@functools.cache
def byte_level() -> Any:
    """Tokens of single bytes, as a byte-level BPE falls back to: four of them are one emoji."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made


@functools.cache
def metaspace() -> Any:
    """Tokens that a space may begin, of which the first is stripped: SentencePiece's way, with bytes for the rest."""
    letters = {
        letter: i for i, letter in enumerate(["▁", *"abc", "▁a", "▁b", "ab", *(f"<0x{b:02X}>" for b in range(256))])
    }
    made = Tokenizer(models.BPE(letters, [], byte_fallback=True, unk_token=None))
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return made


def decode(tokenizer: Any) -> Any:
    return lambda ids: tokenizer.decode(list(ids), skip_special_tokens=False)


@given(TEXTS)
def test_pieces_of_bytes_add_up_and_split_no_character(text: str) -> None:
    tokenizer = byte_level()
    words = Detokenizer(decode(tokenizer))
    pieces = [words.add(token) for token in tokenizer.encode(text).ids]
    said = "".join(pieces) + words.rest()
    assert said == text
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(pieces) or "\N{REPLACEMENT CHARACTER}" in text


@given(st.lists(st.integers(0, 255), max_size=30))
def test_even_broken_bytes_add_up(ids: list[int]) -> None:
    words = Detokenizer(decode(byte_level()))
    assert "".join([words.add(token) for token in ids]) + words.rest() == decode(byte_level())(ids)


@given(st.text("abc é😀", max_size=20))
def test_a_tokenizer_that_strips_the_first_space_strips_only_that(text: str) -> None:
    tokenizer = metaspace()
    ids = tokenizer.encode(text.replace(" ", "▁")).ids
    words = Detokenizer(decode(tokenizer))
    assert "".join([words.add(token) for token in ids]) + words.rest() == decode(tokenizer)(ids)
    assert decode(tokenizer)(ids) == text.removeprefix(" ")


def test_an_emoji_comes_whole() -> None:
    tokenizer = byte_level()
    words = Detokenizer(decode(tokenizer))
    assert [words.add(token) for token in tokenizer.encode("a😀b").ids] == ["a", "", "", "", "😀", "b"]


@given(
    st.lists(
        st.sampled_from(["a", "b", " ", "<", "<tool", "_call>", CALL, " \n", "ab"]) | st.text(max_size=3), max_size=12
    ),
    st.lists(st.text("ab< ", min_size=1, max_size=4), max_size=3),
    st.booleans(),
)
@settings(max_examples=300)
def test_what_is_said_is_never_taken_back(pieces: list[str], stops: list[str], tools: bool) -> None:
    whole, calls = spoken("".join(pieces), stops, tools=tools)
    speech = Speech(stops, tools=tools)
    said = ""
    for piece in pieces:
        said += speech.add(piece)
        assert whole.startswith(said)
    rest, made = speech.end()
    assert (said + rest, made) == (whole, calls)


@pytest.mark.parametrize(("stops", "until"), [(["b"], 2), (["nowhere", "cd"], 4), (["😀"], 8), (["e"], None)])
def test_a_response_ends_with_the_token_that_completes_a_stop_text(stops: list[str], until: int | None) -> None:
    tokenizer = byte_level()
    ids = tokenizer.encode("abcd😀").ids
    watch = StopWatch(decode(tokenizer), stops)
    ends = [watch(ids[: i + 1]) for i in range(len(ids))]
    assert (ends.index(True) + 1 if True in ends else None) == until

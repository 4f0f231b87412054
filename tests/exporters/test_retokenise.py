"""Ids made afterwards by a real tokenizer and chat template: exact where they can be told, marked, and not for RL."""

from __future__ import annotations

from pathlib import Path

import pytest

from leyden_exporters.build import trajectory_table
from leyden_exporters.formats import FORMATS
from leyden_exporters.options import Options
from leyden_exporters.retokenise import retokeniser
from leyden_store.turns import Rollout
from tests.exporters.making import called, rollout, said, turn
from tests.support.tiny_tokenizer import REWORDING, tiny_tokenizer


def asked_twice() -> Rollout:
    """A call of a tool, its answer, a last word; no ids were captured."""
    asked = [said("system", "s"), said("user", "add 1+1")]
    answered = [*asked, called("add", '{"a": 1}'), said("tool", "2", tool_call_id="call_1")]
    first = turn(0, messages=asked, response=called("add", '{"a": 1}'))
    return rollout([first, turn(1, messages=answered, response=said("assistant", "two"))], rewards=1.0)


def test_a_conversation_becomes_one_row_trained_on_the_replies_and_their_ends() -> None:
    tokenizer = tiny_tokenizer()
    table, report = trajectory_table([asked_twice()], Options(retokenise=retokeniser(tokenizer)))
    (row,) = table.to_pylist()
    trained = [token for token, on in zip(row["input_ids"], row["loss_mask"], strict=True) if on]
    assert tokenizer.decode(trained) == 'add{"a": 1}<end>two<end>'
    assert tokenizer.decode(row["input_ids"]).startswith("<system>s<end>\n<user>add 1+1<end>\n<assistant>add")
    assert (row["ids_source"], row["old_logps"]) == ("retokenised", None)
    assert report.notes["without_logprobs"] == 1


def test_where_a_template_words_the_history_anew_there_are_no_ids() -> None:
    table, report = trajectory_table([asked_twice()], Options(retokenise=retokeniser(tiny_tokenizer(REWORDING))))
    assert table["span_ids"].to_pylist() == [["s1"]]  # what a tool said is worded alike before and after
    assert report.dropped == {"no_token_ids": 1}


def test_a_template_that_refuses_or_a_turn_that_says_nothing_gives_no_ids() -> None:
    refusing = tiny_tokenizer("{{ raise_exception('no system message here') }}")
    silent = rollout([turn(0, messages=[said("user", "hi")], response=None)])
    assert trajectory_table([asked_twice()], Options(retokenise=retokeniser(refusing)))[0].num_rows == 0
    assert trajectory_table([silent], Options(retokenise=retokeniser(tiny_tokenizer())))[0].num_rows == 0


def test_ids_of_the_server_stay_as_they_are() -> None:
    whole = rollout([turn(0, [1, 2], [3], messages=[said("user", "hi")], response=said("assistant", "x"))])
    (row,) = trajectory_table([whole], Options(retokenise=retokeniser(tiny_tokenizer())))[0].to_pylist()
    assert (row["input_ids"], row["ids_source"]) == ([1, 2, 3], "server")


@pytest.mark.parametrize(("form", "rows"), [("replay", 0), ("trl-sft-tokens", 1)])
def test_rows_for_rl_refuse_them_and_rows_for_sft_take_them(form: str, rows: int, tmp_path: Path) -> None:
    options = Options(retokenise=retokeniser(tiny_tokenizer()))
    report = FORMATS[form].write([asked_twice()], tmp_path / "rows.jsonl", options)
    assert report.written == rows

"""From the server's reply to the trainer's labels: the very tokens, and no others."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
import torch

from leyden.demo.agent import TOOLS
from leyden_trainers.models import load_model, load_tokenizer
from leyden_trainers.replay_trainer import Rows, collate, token_logps
from leyden_trainers.sft import IGNORED, labelled
from tests.support.tiny_policy import Played


@pytest.fixture(scope="session")
def spans(table: pa.Table, tiny: Path) -> dict[str, str]:
    """span id → what is trained of it, decoded."""
    tokenizer = load_tokenizer(str(tiny))
    found = {}
    for row, labels in zip(table.to_pylist(), labelled(table)["labels"], strict=True):
        for place, span_id in enumerate(row["span_ids"]):
            trained = [label for label, turn in zip(labels, row["turn_ids"], strict=True) if turn == place]
            found[span_id] = tokenizer.decode(trained)
    return found


def test_the_trained_spans_are_the_assistant_s_replies_end_of_turn_included(
    spans: dict[str, str], played: list[Played], tiny: Path
) -> None:
    tokenizer = load_tokenizer(str(tiny))
    seen = 0
    for one in played:
        for turn, reply in zip(one.rollout.turns, one.replies, strict=True):
            prompt, whole = (
                tokenizer.apply_chat_template(messages, tools=TOOLS, tokenize=False, add_generation_prompt=start)
                for messages, start in ((turn.messages, True), ([*turn.messages, reply], False))
            )
            assert spans[turn.span_id].split() == str(whole).removeprefix(str(prompt)).split()
            assert spans[turn.span_id].endswith("<|im_end|>")
            seen += 1
    assert seen == len(spans) == sum(len(one.rollout.turns) for one in played)


def test_no_token_of_a_prompt_or_a_tool_is_trained(table: pa.Table) -> None:
    for row, labels in zip(table.to_pylist(), labelled(table)["labels"], strict=True):
        assert [label != IGNORED for label in labels] == [turn >= 0 for turn in row["turn_ids"]]


def test_two_turns_are_one_row(table: pa.Table, played: list[Played]) -> None:
    rows = {row["rollout_id"]: row["span_ids"] for row in table.to_pylist()}
    two = [one.rollout for one in played if len(one.rollout.turns) == 2]
    assert len(two) > 20
    assert all(rows[r.rollout_id] == [turn.span_id for turn in r.turns] for r in two)
    assert table.num_rows == len(rows)


def test_the_trainer_s_logprobs_are_the_server_s(table: pa.Table, tiny: Path) -> None:
    batch = collate(list(Rows(table)))
    with torch.no_grad():
        recomputed = token_logps(load_model(str(tiny)), batch["input_ids"], batch["attention_mask"])
    mask = batch["weights"] > 0
    assert mask.sum() > 200
    torch.testing.assert_close(recomputed[mask], batch["old_logps"][mask], atol=1e-4, rtol=0)

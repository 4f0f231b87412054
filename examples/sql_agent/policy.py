"""A policy small enough to train on a laptop: a Llama of 100,000 parameters that writes SQL with a hunch of the shop.

A warm-up teaches it the form: to write a query on whom was asked about, and another one when SQLite refuses it. What it
measures, and of what, fits the question in a quarter of what it is shown and is a coin's toss in the rest: that is the
hunch which a model brings that has read much, and training makes it knowledge.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from examples.sql_agent.agent import MAX_TRIES, SYSTEM, TOOLS, query
from examples.sql_agent.shop import ARTISTS, ASKED, CUSTOMERS, MEASURES, SOURCES, sql_of
from leyden.demo.model import CHAT_TEMPLATE

_STEPS, _BATCH, _LENGTH = 400, 16, 256
_HUNCH = 0.25
_MARKS = ("<unk>", "<pad>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>")


def make(folder: Path, shop: Path, seed: int = 0) -> Path:
    """Make the model and its tokenizer, and save them: about 20 s."""
    torch.manual_seed(seed)
    talks = _talks(shop, random.Random(seed))
    tokenizer = _tokenizer([message for _ in range(2000) for message in next(talks)])
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=_LENGTH,
        tie_word_embeddings=True,
        initializer_range=0.1,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=_STEPS, pct_start=0.15)
    for _ in range(_STEPS):
        rows = [_labelled(tokenizer, next(talks)) for _ in range(_BATCH)]
        width = max(len(ids) for ids, _ in rows)
        ids = torch.tensor([ids + [tokenizer.pad_token_id] * (width - len(ids)) for ids, _ in rows])
        labels = torch.tensor([labels + [-100] * (width - len(labels)) for _, labels in rows])
        loss = model(input_ids=ids, attention_mask=ids != tokenizer.pad_token_id, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _talks(shop: Path, rng: random.Random) -> Iterator[list[dict[str, Any]]]:
    """Endless conversations of the agent with somebody who has a hunch at best."""
    while True:
        asked, ways = rng.choice(list(ASKED.items()))
        name = rng.choice(CUSTOMERS if asked[1] == "invoices" else ARTISTS)
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": rng.choice(ways).format(name)},
        ]
        for _ in range(MAX_TRIES):
            guess = asked if rng.random() < _HUNCH else (rng.choice(MEASURES), rng.choice(list(SOURCES)))
            sql = sql_of(*guess, name)
            call = {"function": {"name": "query", "arguments": json.dumps({"sql": sql})}}
            messages.append({"role": "assistant", "tool_calls": [call]})
            try:
                query(sql, str(shop))
                break
            except sqlite3.Error as error:
                messages.append({"role": "tool", "content": f"error: {error}"})
        yield messages if messages[-1]["role"] == "assistant" else messages[:-1]


def _tokenizer(messages: list[dict[str, Any]]) -> PreTrainedTokenizerFast:
    """A tokenizer whose words are those of the messages; any other is `<unk>`."""
    make: Any = PreTrainedTokenizerFast
    core = Tokenizer(models.WordLevel({mark: i for i, mark in enumerate(_MARKS)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()

    def wrapped() -> PreTrainedTokenizerFast:
        core.add_tokens([AddedToken(mark, normalized=False) for mark in ("<tool_call>", "</tool_call>")])
        made: PreTrainedTokenizerFast = make(
            tokenizer_object=core, unk_token="<unk>", pad_token="<pad>", eos_token="<|im_end|>",
            additional_special_tokens=["<|im_start|>"], clean_up_tokenization_spaces=False, model_max_length=_LENGTH,
        )  # fmt: skip
        made.chat_template = CHAT_TEMPLATE
        return made

    text = " ".join(_text(wrapped(), [message]) for message in messages)
    words = dict.fromkeys([*_MARKS, *sorted(set(text.split()))])
    core.model = models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>")
    return wrapped()


def _labelled(tokenizer: PreTrainedTokenizerFast, messages: list[dict[str, Any]]) -> tuple[list[int], list[int]]:
    """A conversation as ids and labels; labels on replies alone."""
    ids: list[int] = []
    labels: list[int] = []
    for turn in range(2, len(messages), 2):
        prompt = tokenizer(_text(tokenizer, messages[:turn], prompt=True), add_special_tokens=False)["input_ids"]
        whole = tokenizer(_text(tokenizer, messages[: turn + 1]), add_special_tokens=False)["input_ids"]
        labels += [-100] * (len(prompt) - len(ids)) + whole[len(prompt) :]
        ids = whole
    return ids, labels


def _text(tokenizer: PreTrainedTokenizerFast, messages: list[dict[str, Any]], *, prompt: bool = False) -> str:
    text: Any = tokenizer.apply_chat_template(messages, tools=TOOLS, add_generation_prompt=prompt, tokenize=False)
    return str(text)

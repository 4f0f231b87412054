"""The demo's policy: a Llama of about 100,000 parameters and its tokenizer, made on the spot.

A short warm-up teaches the form of a reply (call a tool with the item asked about; then say the number it gave)
and nothing of the task: which tool is called is a coin's toss, whatever was asked. Choosing is left to training.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from leyden.demo.agent import FACTS, ITEMS, NUMBERS, SYSTEM, TOOLS, call_tool
from leyden.demo.tasks import PHRASES, tasks
from leyden_trainers.models import quiet

CHAT_TEMPLATE = """\
{%- for message in messages %}
<|im_start|> {{ message.role }}
{%- if message.content %} {{ message.content }}{% endif %}
{%- if loop.first and tools %}{% for tool in tools %} {{ tool.function.name }}(\
{{ tool.function.parameters.properties | join(',') }}){% endfor %}{% endif %}
{%- for call in message.tool_calls or [] %} <tool_call> {"name": "{{ call.function.name }}", "arguments": \
{{ call.function.arguments if call.function.arguments is string else call.function.arguments | tojson }}} </tool_call>
{%- endfor %} <|im_end|>
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|> assistant{% endif %}
"""
"""Hermes-style tool calls. Words are tokens and white space parts them, so what a reply decodes to encodes back to
the same ids, and the prompt of the next turn begins with this turn's prompt and reply, token for token."""

WARM_UP_STEPS = 250
WARM_UP_BATCH = 16


def build_model(directory: Path, seed: int = 0) -> Path:
    """Make the tokenizer and the model, warm the model up, and save both into `directory`, made if need be: 10 s."""
    tokenizer = build_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=64,
                intermediate_size=128,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=256,
                tie_word_embeddings=True,
                initializer_range=0.1,  # at the usual 0.02 so small a model learns to copy ten times later
                bos_token_id=None,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )
        _warm_up(model, tokenizer, seed)
    with quiet():
        model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer whose words are those of the demo's conversations; any other word is `<unk>`."""
    marks = ["<unk>", "<pad>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"]
    roles = ["system", "user", "assistant", "tool"]
    asked = [word for ways in PHRASES.values() for phrase in ways for word in phrase.split() if word != "{}"]
    offered = [f"{fact}(item)" for fact in FACTS]
    called = [word for item in ITEMS for fact in FACTS for word in _call(fact, item).split()]
    answered = ["it", "is", "unknown", *map(str, NUMBERS)]
    words = dict.fromkeys([*marks, *roles, *SYSTEM.split(), *asked, *offered, *ITEMS, *called, *answered])
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))  # noqa: S106
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.add_tokens([AddedToken(mark, normalized=False) for mark in ("<tool_call>", "</tool_call>")])
    make: Any = PreTrainedTokenizerFast
    tokenizer: PreTrainedTokenizerFast = make(
        tokenizer_object=core,
        unk_token="<unk>",  # noqa: S106
        pad_token="<pad>",  # noqa: S106
        eos_token="<|im_end|>",  # noqa: S106
        additional_special_tokens=["<|im_start|>"],
        clean_up_tokenization_spaces=False,
        model_max_length=256,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _warm_up(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=WARM_UP_STEPS, pct_start=0.15)
    examples = _conversations(tokenizer, seed)
    model.train()
    for _ in range(WARM_UP_STEPS):
        input_ids, labels = _pad([next(examples) for _ in range(WARM_UP_BATCH)], int(tokenizer.pad_token_id))
        loss = model(input_ids=input_ids, attention_mask=(input_ids != tokenizer.pad_token_id), labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def _conversations(tokenizer: PreTrainedTokenizerFast, seed: int) -> Iterator[tuple[list[int], list[int]]]:
    """Endless (ids, labels) of talks on training questions with a tool drawn at random; labels on replies alone."""
    rng = random.Random(seed)  # noqa: S311 - training data, no secret
    questions = [(task.input, task.id.rsplit("-", 1)[-1]) for task in tasks("train", len(ITEMS) * len(FACTS))]
    while True:
        question, item = rng.choice(questions)
        fact = rng.choice(list(FACTS))
        arguments = json.dumps({"item": item})
        result = str(rng.choice(NUMBERS)) if rng.random() < 0.95 else call_tool(fact, "{}")
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": question},
            {"role": "assistant", "tool_calls": [{"function": {"name": fact, "arguments": arguments}}]},
            {"role": "tool", "content": result},
            {"role": "assistant", "content": f"it is {result}"},
        ]
        ids: list[int] = []
        labels: list[int] = []
        for turn in (2, 4):
            prompt = _render(tokenizer, messages[:turn], prompt=True)
            whole = _render(tokenizer, messages[: turn + 1], prompt=False)
            labels += [-100] * (len(prompt) - len(ids)) + whole[len(prompt) :]
            ids = whole
        yield ids, labels


def _render(tokenizer: PreTrainedTokenizerFast, messages: list[dict[str, Any]], *, prompt: bool) -> list[int]:
    text = tokenizer.apply_chat_template(messages, tools=TOOLS, add_generation_prompt=prompt, tokenize=False)
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _pad(rows: list[tuple[list[int], list[int]]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """int64 [B, T] each, padded on the right."""
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([row + [pad] * (width - len(row)) for row, _ in rows])
    return ids, torch.tensor([row + [-100] * (width - len(row)) for _, row in rows])


def _call(fact: str, item: str) -> str:
    return f'{{"name": "{fact}", "arguments": {json.dumps({"item": item})}}}'

"""TRL reads what we write: rows load unchanged, and one training step is on the tokens the policy sampled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leyden_exporters.formats import FORMATS
from leyden_exporters.options import Options
from leyden_store.turns import Rollout
from tests.exporters.making import WAYS, called, rollout, said, turn

TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}]
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>"
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
    "{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}"
    "<end>{% endgeneration %}{% else %}{{ m.content }}<end>{% endif %}{% endfor %}"
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """One token a character, and the template's marks."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    marks = ["<pad>", "<end>", "<system>", "<user>", "<assistant>", "<tool>"]
    vocabulary = {text: number for number, text in enumerate([*marks, *map(chr, range(32, 127))])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    made.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<end>")
    fast.add_special_tokens({"additional_special_tokens": marks[2:]})
    fast.chat_template = TEMPLATE
    return fast


@pytest.fixture
def conversation() -> list[Rollout]:
    """Two calls with unlike arguments, a tool's answer, a last word; and a rollout of one turn."""
    asked = [said("system", "s"), said("user", "1+1?")]
    answered = [*asked, called("add", '{"a": 1, "b": 1}'), said("tool", "2", tool_call_id="call_1")]
    last = said("assistant", "two")
    return [
        rollout(
            [
                turn(0, [10, 11], [12, 1], messages=asked, response=called("add", '{"a":1,"b":1}'), tools=TOOLS),
                turn(1, [10, 11, 12, 1, 13], [14, 1], messages=answered, response=last, tools=TOOLS),
            ],
            rewards=1.0,
        ),
        rollout([turn(0, [20], [21, 1], messages=[said("user", "hi")], response=called("find", '{"text": "x"}'))]),
    ]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ""])
def test_messages_load_as_they_were_said(conversation: list[Rollout], tmp_path: Path, suffix: str) -> None:
    rows = _loaded(FORMATS["trl-sft"], conversation, tmp_path, suffix).to_list()
    assert [message["role"] for message in rows[0]["messages"]] == ["system", "user", "assistant", "tool", "assistant"]
    calls = [row["messages"][place]["tool_calls"][0]["function"] for row, place in zip(rows, (2, 1), strict=True)]
    assert calls == [
        {"name": "add", "arguments": {"a": 1, "b": 1}},
        {"name": "find", "arguments": {"text": "x"}},
    ]
    assert rows[0]["messages"][0] == {"role": "system", "content": "s"}
    assert rows[1]["tools"] is None


@pytest.mark.parametrize(("name", "suffix"), [way for way in WAYS if way[0] != "llama-factory"])
def test_datasets_opens_every_format(conversation: list[Rollout], tmp_path: Path, name: str, suffix: str) -> None:
    worse = rollout([turn(0, [20], [22], messages=[said("user", "hi")], response=said("assistant", "no"))], rewards=0.0)
    better = rollout(conversation[1].turns, rewards=1.0)
    rows = _loaded(FORMATS[name], [conversation[0], better, worse], tmp_path, suffix).to_list()
    assert len(rows) >= 1


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ""])
def test_sft_on_messages_trains_every_reply_and_nothing_else(
    conversation: list[Rollout], tmp_path: Path, suffix: str, tokenizer: Any
) -> None:
    dataset = _loaded(FORMATS["trl-sft"], conversation, tmp_path, suffix)
    trained = _train(dataset, tokenizer, tmp_path, assistant_only_loss=True)
    assert sorted(trained) == ['add{"a": 1, "b": 1}<end>two<end>', 'find{"text": "x"}<end>']


@pytest.mark.parametrize("suffix", [".parquet", ""])
def test_sft_on_tokens_trains_what_was_sampled_and_nothing_else(
    conversation: list[Rollout], tmp_path: Path, suffix: str, tokenizer: Any
) -> None:
    dataset = _loaded(FORMATS["trl-sft-tokens"], conversation, tmp_path, suffix)
    trained = _train(dataset, tokenizer, tmp_path)
    assert sorted(trained) == sorted(tokenizer.decode(ids) for ids in ([12, 1, 14, 1], [21, 1]))


# TRL's own call of a name that transformers renamed.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("name", ["trl-dpo", "trl-kto", "trl-reward"])
def test_preferences_train_a_step(tmp_path: Path, name: str, tokenizer: Any) -> None:
    import trl

    kind = {"trl-dpo": "DPO", "trl-kto": "KTO", "trl-reward": "Reward"}[name]
    asked = [said("user", "1+1?")]
    replies = [called("add", '{"a":1,"b":1}'), called("find", '{"text":"x"}'), said("assistant", "two")]
    rollouts = [
        rollout([turn(0, messages=asked, response=reply, tools=TOOLS)], group_id="g", rewards=float(place))
        for place, reply in enumerate([*replies, said("assistant", "2")])
    ]
    dataset = _loaded(FORMATS[name], rollouts, tmp_path, ".parquet")
    config, trainer = getattr(trl, f"{kind}Config"), getattr(trl, f"{kind}Trainer")
    model = _model(tokenizer, labels=1 if kind == "Reward" else 0)
    more = {"ref_model": _model(tokenizer)} if kind in ("DPO", "KTO") else {}
    made = trainer(
        model=model, args=config(**_arguments(tmp_path)), train_dataset=dataset, processing_class=tokenizer, **more
    )
    assert made.train().training_loss > 0


def _loaded(form: Any, rollouts: list[Rollout], folder: Path, suffix: str) -> Any:
    from datasets import load_dataset

    path = folder / f"out{suffix}"
    form.write(rollouts, path, Options())
    if suffix:
        kind = {".jsonl": "json", ".parquet": "parquet"}[suffix]
        return load_dataset(kind, data_files=str(path), cache_dir=str(folder / "cache"))["train"]
    return load_dataset(str(path), cache_dir=str(folder / "cache"))["train"]


def _train(dataset: Any, tokenizer: Any, folder: Path, **settings: Any) -> list[str]:
    """One SFT step on a tiny model; the texts of the tokens with a label, one per row."""
    from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]

    arguments = SFTConfig(**_arguments(folder), **settings)
    trainer = SFTTrainer(_model(tokenizer), arguments, train_dataset=dataset, processing_class=tokenizer)
    batch = next(iter(trainer.get_train_dataloader()))
    assert trainer.train().training_loss > 0
    return [
        tokenizer.decode(ids[labels != -100]) for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True)
    ]


def _arguments(folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder / "run"),
        "max_steps": 1,
        "per_device_train_batch_size": 2,
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "activation_checkpointing": False,
        "dataloader_pin_memory": False,
        "disable_tqdm": True,
        "save_strategy": "no",
    }


def _model(tokenizer: Any, labels: int = 0) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    size = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **({"num_labels": labels} if labels else {}),
    )
    return LlamaForSequenceClassification(size) if labels else LlamaForCausalLM(size)

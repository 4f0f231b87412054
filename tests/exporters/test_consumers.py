"""What verl, Unsloth and the published JSON files ask of a row holds, read the way their own loaders read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from leyden_exporters.formats import FORMATS
from leyden_exporters.options import Options
from leyden_store.turns import Rollout
from tests.exporters.making import called, rollout, said, single, turn

ARGUMENTS = '{ "a":1,\n"b": 2.0e0}'
USER, RESULT = said("user", "2+2?"), said("tool", "4", tool_call_id="call_1")
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}]

TEMPLATE = (
    "{%- for m in messages %}<|{{ m.role }}|>{{ m.content }}"
    "{%- for c in m.tool_calls or [] %}[{{ c.function.name }} {{ c.function.arguments | tojson }}]{%- endfor %}"
    "{{ '\\n' }}{%- endfor %}"
)
"""A chat template of the kind models bring."""


def loop(rollout_id: str = "r", reward: float | None = 1.0, answer: str = "four", group: str = "g") -> Rollout:
    call = called("add", ARGUMENTS)
    return rollout(
        [
            turn(0, [1], [2], messages=[USER], response=call, tools=TOOLS, rollout_id=rollout_id, group_id=group),
            turn(1, [1, 2, 3], [4], messages=[USER, call, RESULT], response=said("assistant", answer), tools=TOOLS,
                 rollout_id=rollout_id, group_id=group),
        ],
        rollout_id=rollout_id, group_id=group, rewards=reward,
    )  # fmt: skip


def rendered(messages: list[dict[str, Any]], tools: Any = None) -> str:
    from jinja2 import Environment

    return Environment().from_string(TEMPLATE).render(messages=messages, tools=tools)


def test_verls_sft_reads_messages_with_pandas(tmp_path: Path) -> None:
    FORMATS["verl-sft"].write([loop()], tmp_path / "x.parquet", Options())
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(tmp_path / "x.parquet")
    (messages,) = [[dict(message) for message in row] for row in frame["messages"].tolist()]
    assert [set(message) for message in messages] == [{"role", "content"}] * 4  # no key that is null
    assert messages[1]["content"] == f'<tool_call>\n{{"name": "add", "arguments": {ARGUMENTS}}}\n</tool_call>'
    assert "tools" not in frame.columns
    assert rendered(messages).startswith("<|user|>2+2?\n<|assistant|><tool_call>")


def test_verls_rl_reads_a_prompt_a_task_and_what_its_reward_function_is_given(tmp_path: Path) -> None:
    rollouts = [loop("a", 0.0, "five"), loop("b", 1.0, "four"), loop("c", None), single("d", "h", 0.5, messages=[USER])]
    report = FORMATS["verl-rl"].write(rollouts, tmp_path / "train.parquet", Options())
    found = load_dataset("parquet", data_files=str(tmp_path / "train.parquet"), cache_dir=str(tmp_path / "c"))["train"]
    first, second = found
    assert first["prompt"] == [USER]
    assert first["reward_model"] == {"style": "rule", "ground_truth": "four"}
    assert first["extra_info"] == {"split": "train", "index": 0, "group_id": "g", "rollout_id": "a"}
    assert set(first) == {"data_source", "prompt", "ability", "reward_model", "extra_info"}
    assert second["reward_model"]["ground_truth"] == ""  # one reward tells nothing of what is right
    assert report.llm_spans == report.kept + sum(report.dropped.values()) == 7
    assert report.kept == 2


def test_unsloths_rows_go_into_a_chat_template_as_they_are(tmp_path: Path) -> None:
    FORMATS["unsloth"].write([loop()], tmp_path / "x.parquet", Options())
    (row,) = load_dataset("parquet", data_files=str(tmp_path / "x.parquet"), cache_dir=str(tmp_path / "c"))["train"]
    assert [message["role"] for message in row["conversations"]] == ["user", "assistant", "tool", "assistant"]
    assert rendered(row["conversations"], json.loads(row["tools"])) == (
        '<|user|>2+2?\n<|assistant|>[add {"a": 1, "b": 2.0}]\n<|tool|>4\n<|assistant|>four\n'
    )


def test_verl_takes_text_only(tmp_path: Path) -> None:
    picture = rollout([turn(0, messages=[{"role": "user", "content": [{"type": "image_url"}]}])])
    for name in ("verl-sft", "verl-rl"):
        report = FORMATS[name].write([picture], tmp_path / f"{name}.parquet", Options())
        assert report.dropped == {"unfit": 1}


@pytest.mark.parametrize("name", ["openai-sft", "openai-dpo", "axolotl", "turns"])
def test_arguments_keep_their_bytes_where_the_format_has_strings(tmp_path: Path, name: str) -> None:
    other = rollout(
        [turn(0, messages=[USER], response=said("assistant", "no"), tools=TOOLS)],
        rollout_id="o",
        group_id="g",
        rewards=0.0,
    )
    FORMATS[name].write([loop(), other], tmp_path / "x.jsonl", Options())
    assert json.dumps(ARGUMENTS) in (tmp_path / "x.jsonl").read_text()


def test_openais_rows_hold_to_its_published_rules(tmp_path: Path) -> None:
    """Of https://developers.openai.com/api/docs/guides/supervised-fine-tuning: roles, tool calls, ends with a reply."""
    FORMATS["openai-sft"].write([loop()], tmp_path / "x.jsonl", Options())
    (row,) = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert set(row) <= {"messages", "tools", "parallel_tool_calls"}
    for message in row["messages"]:
        assert message["role"] in {"system", "user", "assistant", "tool", "developer"}
        assert set(message) <= {"role", "content", "name", "tool_calls", "tool_call_id", "weight", "refusal"}
        assert "content" in message or "tool_calls" in message
        assert message.get("weight", 1) in (0, 1)
    assert row["messages"][-1]["role"] == "assistant"


def test_every_parquet_opens_in_datasets(tmp_path: Path) -> None:
    for name, form in FORMATS.items():
        if ".parquet" not in form.suffixes:
            continue
        path = tmp_path / f"{name}.parquet"
        (form.rows or form.write)([loop("a", 0.0, "five"), loop("b", 1.0, "four")], path, Options())
        found = load_dataset("parquet", data_files=str(path), cache_dir=str(tmp_path / "c"))["train"]
        assert found.num_rows == pq.read_metadata(path).num_rows > 0

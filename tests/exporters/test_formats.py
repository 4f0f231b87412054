"""What each format writes for rollouts made by hand, and that every format accounts for every LLM span."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leyden_exporters.errors import OptionsInvalid
from leyden_exporters.formats import FORMATS
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_store.turns import Dropped, DropReason, Rollout
from tests.exporters.making import called, rollout, said, single, turn

TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}]
SYSTEM, USER, RESULT = said("system", "s"), said("user", "u"), said("tool", "2", tool_call_id="call_1")
CALL, ECHO = called("add", '{"a": 1}'), called("add", '{"a":1}')
LAST = said("assistant", "two")
FULL = ["trajectories", "replay", "trl-sft-tokens", "turns"]


def tool_loop(**more: Any) -> Rollout:
    """A call and a last word; the client re-serialised the arguments when it sent the call back."""
    return rollout(
        [
            turn(0, [1, 2], [3, 4], messages=[SYSTEM, USER], response=CALL, tools=TOOLS),
            turn(1, [1, 2, 3, 4, 5], [6], messages=[SYSTEM, USER, ECHO, RESULT], response=LAST, tools=TOOLS),
        ],
        **more,
    )


def answers(rollout_id: str, group_id: str, answer: str, reward: float | None) -> Rollout:
    return single(rollout_id, group_id, reward, messages=[USER], response=said("assistant", answer))


def write(name: str, rollouts: list[Rollout], folder: Path, options: Options | None = None) -> tuple[list[Any], Report]:
    """The JSON lines a format writes, and its report."""
    path = folder / "out.jsonl"
    report = FORMATS[name].write(iter(rollouts), path, options or Options())
    return [json.loads(line) for line in path.read_text().splitlines()], report


def test_trajectories_have_exactly_the_documented_keys_in_order(tmp_path: Path) -> None:
    (row,), _ = write("trajectories", [tool_loop(group_id="g", rewards=1.0)], tmp_path)
    assert list(row.items()) == [
        ("rollout_id", "r"),
        ("group_id", "g"),
        ("branch", 0),
        ("span_ids", ["s0", "s1"]),
        ("input_ids", [1, 2, 3, 4, 5, 6]),
        ("loss_mask", [0, 0, 1, 1, 0, 1]),
        ("old_logps", [0.0, 0.0, -0.5, -1.0, 0.0, -0.5]),
        ("turn_ids", [-1, -1, 0, 0, -1, 1]),
        ("reward", 1.0),
        ("advantages", [0.0] * 6),
        ("truncated", False),
        ("policy_version", None),
        ("ids_source", "server"),
    ]


def test_replay_needs_logprobs_and_a_reward(tmp_path: Path) -> None:
    bare = rollout([turn(0, [1], [2], None)], rewards=1.0)
    rows, report = write("replay", [tool_loop(rewards=1.0), bare, single("x", "", None)], tmp_path)
    assert list(rows[0]) == [
        "input_ids",
        "loss_mask",
        "old_logps",
        "advantages",
        "reward",
        "group_id",
        "rollout_id",
        "policy_version",
    ]
    assert len(rows) == 1
    assert report.dropped == {"no_logprobs": 1, "no_reward": 1}


def test_sft_tokens_have_labels_on_sampled_tokens_only(tmp_path: Path) -> None:
    rows, _ = write("trl-sft-tokens", [tool_loop()], tmp_path)
    assert rows == [{"input_ids": [1, 2, 3, 4, 5, 6], "labels": [-100, -100, 3, 4, -100, 6]}]


def test_a_conversation_that_goes_on_is_one_row(tmp_path: Path) -> None:
    rows, report = write("trl-sft", [tool_loop()], tmp_path)
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
    assert rows == [
        {
            "messages": [SYSTEM, USER, {"role": "assistant", "content": "", "tool_calls": [call]}, RESULT, LAST],
            "tools": json.dumps(TOOLS, separators=(",", ":")),
        }
    ]
    assert report.notes == {}


def test_a_forked_conversation_is_another_row_and_its_repeated_replies_are_counted(tmp_path: Path) -> None:
    forked = rollout(
        [
            turn(0, messages=[USER], response=said("assistant", "a")),
            turn(1, messages=[USER, said("assistant", "a"), said("user", "b")], response=said("assistant", "c")),
            turn(2, messages=[USER, said("assistant", "a"), said("user", "d")], response=said("assistant", "e")),
        ]
    )
    rows, report = write("trl-sft", [forked], tmp_path)
    assert [[message["content"] for message in row["messages"]] for row in rows] == [
        ["u", "a", "b", "c"],
        ["u", "a", "d", "e"],
    ]
    assert report.notes == {"repeated_replies": 1}
    assert report.origins == {"first": 1, "forked": 1}


def test_other_tools_are_another_conversation(tmp_path: Path) -> None:
    longer = [USER, said("assistant", "a"), said("user", "b")]
    changed = rollout(
        [
            turn(0, messages=[USER], response=said("assistant", "a"), tools=TOOLS),
            turn(1, messages=longer, response=said("assistant", "c")),
        ]
    )
    rows, _ = write("trl-sft", [changed], tmp_path)
    assert [row["tools"] is None for row in rows] == [False, True]


def test_reasoning_that_clients_do_not_send_back_does_not_break_a_conversation(tmp_path: Path) -> None:
    thought = said("assistant", "a", reasoning_content="hm", refusal=None)
    later = [USER, said("assistant", [{"type": "text", "text": "a"}]), said("user", "b")]
    thinking = rollout(
        [turn(0, messages=[USER], response=thought), turn(1, messages=later, response=said("assistant", "c"))]
    )
    rows, _ = write("trl-sft", [thinking], tmp_path)
    assert len(rows) == 1
    assert rows[0]["messages"][1] == {"role": "assistant", "content": "a", "reasoning_content": "hm"}


def test_openai_sft_weighs_each_reply_once_and_keeps_arguments_exact(tmp_path: Path) -> None:
    rows, _ = write("openai-sft", [tool_loop()], tmp_path)
    assert rows[0]["messages"][2] == {"role": "assistant", "tool_calls": CALL["tool_calls"], "weight": 1}
    assert rows[0]["tools"] == TOOLS
    shot = rollout([turn(0, messages=[USER, said("assistant", "shot"), USER], response=LAST)])
    rows, _ = write("openai-sft", [shot], tmp_path)
    assert [message.get("weight") for message in rows[0]["messages"]] == [None, 0, None, 1]
    assert "tools" not in rows[0]


def test_axolotl_marks_what_is_trained(tmp_path: Path) -> None:
    rows, _ = write("axolotl", [tool_loop()], tmp_path)
    assert [message["train"] for message in rows[0]["messages"]] == [False, False, True, False, True]
    assert rows[0]["messages"][2]["tool_calls"][0]["function"]["arguments"] == '{"a": 1}'


def test_sharegpt_alternates(tmp_path: Path) -> None:
    rows, _ = write("sharegpt", [tool_loop()], tmp_path)
    assert rows == [
        {
            "conversations": [
                {"from": "human", "value": "u"},
                {"from": "function_call", "value": '{"name":"add","arguments":{"a":1}}'},
                {"from": "observation", "value": "2"},
                {"from": "gpt", "value": "two"},
            ],
            "system": "s",
            "tools": json.dumps([TOOLS[0]["function"]], separators=(",", ":")),
        }
    ]


@pytest.mark.parametrize(
    ("messages", "response", "detail"),
    [
        ([USER, USER], LAST, "message 1 is human: the sides do not alternate"),
        ([USER], called("add", "{}") | {"content": "so"}, "text beside a tool call"),
        ([USER, LAST, SYSTEM], LAST, "a system message amid the conversation"),
        ([said("user", [{"type": "image_url"}])], LAST, "content that is not text"),  # type: ignore[arg-type]
    ],
)
def test_sharegpt_drops_what_it_cannot_say(tmp_path: Path, messages: Any, response: Any, detail: str) -> None:
    rows, report = write("sharegpt", [rollout([turn(0, messages=messages, response=response)])], tmp_path)
    assert rows == []
    assert [(row.reason, row.detail) for row in report.spans] == [("unfit", detail)]


def test_llama_factory_finds_its_file(tmp_path: Path) -> None:
    FORMATS["llama-factory"].write([tool_loop()], tmp_path / "out", Options())
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())["leyden"]
    (row,) = [json.loads(line) for line in (tmp_path / "out" / info["file_name"]).read_text().splitlines()]
    assert set(info["columns"].values()) == set(row)


def test_the_hub_folder_says_what_was_selected_and_dropped(tmp_path: Path) -> None:
    failed = rollout([turn(0, status="error")])
    FORMATS["hf"].write([tool_loop(rewards=1.0), failed], tmp_path / "out", Options(selection="saved query good"))
    card = (tmp_path / "out" / "README.md").read_text()
    data = (tmp_path / "out" / "train.parquet").read_bytes()
    assert "Selected by: saved query good" in card
    assert "dropped: failed" in card
    assert hashlib.sha256(data).hexdigest() in card
    (row,) = pq.read_table(tmp_path / "out" / "train.parquet").to_pylist()
    assert (row["replies"], row["reward"], row["span_ids"]) == ([2, 4], 1.0, ["s0", "s1"])


def test_pairs_are_best_with_worst_at_the_turn_where_they_part(tmp_path: Path) -> None:
    rollouts = [answers("a", "g", "good", 1.0), answers("b", "g", "bad", 0.0), answers("c", "g", "fair", 0.5)]
    rows, report = write("trl-dpo", rollouts, tmp_path)
    assert rows == [
        {
            "prompt": [USER],
            "chosen": [said("assistant", "good")],
            "rejected": [said("assistant", "bad")],
            "tools": None,
        }
    ]
    assert report.dropped == {"no_pair": 1}
    rows, _ = write("trl-reward", rollouts, tmp_path)
    assert rows == [
        {"chosen": [USER, said("assistant", "good")], "rejected": [USER, said("assistant", "bad")], "tools": None}
    ]
    rows, _ = write("openai-dpo", rollouts, tmp_path)
    assert rows == [
        {
            "input": {"messages": [USER]},
            "preferred_output": [said("assistant", "good")],
            "non_preferred_output": [said("assistant", "bad")],
        }
    ]


def test_a_pair_shares_every_message_before_the_replies(tmp_path: Path) -> None:
    def later(answer: str, reward: float, seen: str = "2") -> Rollout:
        replied = said("tool", seen, tool_call_id="call_1")
        return rollout(
            [
                turn(0, messages=[USER], response=CALL),
                turn(1, messages=[USER, ECHO, replied], response=said("assistant", answer)),
            ],
            group_id="g",
            rewards=reward,
        )

    rows, report = write("trl-dpo", [later("two", 1.0), later("three", 0.0)], tmp_path)
    assert [message["role"] for message in rows[0]["prompt"]] == ["user", "assistant", "tool"]
    assert (report.kept, report.dropped) == (2, {"no_pair": 2})
    rows, report = write("trl-dpo", [later("two", 1.0), later("three", 0.0, seen="3")], tmp_path)
    assert rows == []


def test_no_pair_across_tasks_nor_between_equals_nor_without_a_reward(tmp_path: Path) -> None:
    rollouts = [answers("a", "g", "x", 1.0), answers("b", "h", "y", 0.0), answers("c", "g", "z", 1.0)]
    rows, report = write("trl-dpo", [*rollouts, answers("d", "g", "w", None)], tmp_path)
    assert rows == []
    assert report.dropped == {"no_pair": 3, "no_reward": 1}


def test_kto_labels_say_better_or_worse_than_the_group(tmp_path: Path) -> None:
    rollouts = [answers("a", "g", "x", 1.0), answers("b", "g", "y", 0.0), answers("c", "h", "z", 0.3)]
    rows, report = write("trl-kto", rollouts, tmp_path)
    assert [(row["completion"][0]["content"], row["label"]) for row in rows] == [("x", True), ("y", False)]
    assert report.dropped == {"no_pair": 1}
    ungrouped = [answers("a", "", "x", 1.0), answers("b", "", "y", 0.0)]
    assert len(write("trl-kto", ungrouped, tmp_path)[0]) == 2


def test_turns_hold_failed_calls_and_numbers_json_cannot_say(tmp_path: Path) -> None:
    odd = turn(0, [1], [2], [float("-inf")], status="error", error="429", params={"temperature": float("nan")})
    rows, report = write("turns", [rollout([odd])], tmp_path)
    assert (rows[0]["status"], rows[0]["response_logprobs"], rows[0]["params"]) == (
        "error",
        [None],
        {"temperature": None},
    )
    assert list(rows[0]) == list(odd.to_json())
    assert report.kept == 1


@pytest.mark.parametrize("name", sorted(set(FORMATS) - set(FULL)))
def test_options_about_tokens_are_refused_by_formats_without_tokens(tmp_path: Path, name: str) -> None:
    for options in (Options(max_tokens=10), Options(require_logprobs=True)):
        with pytest.raises(OptionsInvalid, match="not tokens"):
            FORMATS[name].write([], tmp_path / f"out{FORMATS[name].suffixes[0]}", options)
    assert list(tmp_path.iterdir()) == []


def test_only_good_rollouts_when_asked(tmp_path: Path) -> None:
    rollouts = [answers("a", "g", "x", 1.0), answers("b", "g", "y", 0.2), answers("c", "g", "z", None)]
    rows, report = write("trl-sft", rollouts, tmp_path, Options(min_reward=0.5))
    assert [row["messages"][-1]["content"] for row in rows] == ["x"]
    assert report.dropped == {"low_reward": 1, "no_reward": 1}


def test_an_empty_reply_and_one_that_was_not_captured_are_told_apart(tmp_path: Path) -> None:
    turns = [
        turn(0, messages=[USER], response=said("assistant", "")),
        turn(1, messages=[USER], response=None),
        turn(2, response=LAST),
        turn(3, messages=[USER], response=said("assistant", None, reasoning_content="hm")),
    ]
    _, report = write("trl-sft", [rollout(turns)], tmp_path)
    assert report.dropped == {"no_messages": 2, "empty": 1}


@st.composite
def rollouts_of_messages(draw: st.DrawFn) -> list[Rollout]:
    made = []
    for number in range(draw(st.integers(0, 4))):
        turns: list[Any] = []
        for place in range(draw(st.integers(0, 4))):
            messages: list[Any] = [USER]
            if turns and draw(st.booleans()):
                earlier = draw(st.sampled_from(turns))
                messages = [*earlier.messages, earlier.response or LAST, draw(st.sampled_from([USER, RESULT]))]
            turns.append(
                turn(
                    place,
                    *draw(st.sampled_from([(None, None), ([1], [2]), ([1, 2, place], [3])])),
                    messages=draw(st.sampled_from([messages, messages, ()])),
                    response=draw(st.sampled_from([LAST, CALL, said("assistant", "other"), None])),
                    status=draw(st.sampled_from(["ok", "ok", "error"])),
                    rollout_id=f"r{number}",
                )
            )
        dropped = [Dropped("t", "d", f"r{number}", DropReason.DOUBLED)] * draw(st.integers(0, 1))
        reward = draw(st.sampled_from([None, 0.0, 1.0]))
        group = draw(st.sampled_from(["", "g"]))
        made.append(rollout(turns, rollout_id=f"r{number}", group_id=group, rewards=reward, dropped=dropped))
    return made


@settings(deadline=None, max_examples=40)
@given(rollouts_of_messages(), st.sampled_from(sorted(FORMATS)))
def test_every_format_accounts_for_every_llm_span(rollouts: list[Rollout], name: str) -> None:
    with TemporaryDirectory() as folder:
        report = FORMATS[name].write(iter(rollouts), Path(folder) / f"out{FORMATS[name].suffixes[0]}", Options())
    counted = report.to_json()
    assert counted["rollouts"] == len(rollouts)
    assert counted["llm_spans"] == sum(one.llm_spans for one in rollouts)
    assert counted["kept"] + sum(counted["dropped"].values()) == counted["llm_spans"]
    spans = [(one.rollout_id, turn.span_id) for one in rollouts for turn in one.turns]
    spans += [(one.rollout_id, drop.span_id) for one in rollouts for drop in one.dropped]
    assert sorted((row.rollout_id, row.span_id) for row in report.spans) == sorted(spans)
    assert str(counted["llm_spans"]) in report.to_text()
    json.dumps(counted)

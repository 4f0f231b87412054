"""The demo's task: what is asked, what it earns, and a policy that at first only knows the form of an answer."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leyden.demo import agent, recipe
from leyden.demo.agent import CATALOGUE, FACTS, ITEMS, NUMBERS, TOOLS, call_tool, solve
from leyden.demo.model import build_tokenizer
from leyden.demo.tasks import PHRASES, Task, reward, tasks
from leyden_trainers.models import load_model, load_tokenizer
from tests.support.tiny_policy import play, serving, tiny_policy


def test_the_shop_s_numbers_tell_its_facts_apart() -> None:
    for item in ITEMS:
        assert set(CATALOGUE[item]) == set(FACTS)
        assert len(set(CATALOGUE[item].values())) == len(FACTS)


def test_held_out_tasks_are_never_trained_on() -> None:
    train, held_out = ({task.input for task in tasks(split, 1000)} for split in ("train", "heldout"))  # type: ignore[arg-type]
    assert not train & held_out
    assert len(train) == 2 * len(held_out) == 160


def test_every_phrase_and_every_item_occurs_in_training() -> None:
    asked = [task.input for task in tasks("train", 1000)]
    for word in itertools.chain(ITEMS, (phrase.split("{}")[0] for ways in PHRASES.values() for phrase in ways)):
        assert any(word in question for question in asked)


def test_tasks_are_drawn_by_the_seed() -> None:
    assert tasks("train", 20, seed=1) == tasks("train", 20, seed=1) != tasks("train", 20, seed=2)
    assert len({task.id for task in tasks("train", 160)}) == 160
    assert tasks("heldout", 81)[80] == tasks("heldout", 81)[0]


@pytest.mark.parametrize(
    ("output", "earned"), [("it is 42", 1), ("42", 1), ("it is 41", 0), ("it is 41 42", 0), ("it is 420", 0), ("", 0)]
)
def test_the_right_number_alone_is_rewarded(output: str, earned: float) -> None:
    assert reward(Task("t", "how heavy is the lamp", 42), output) == earned


def test_a_question_s_number_is_what_the_right_tool_answers() -> None:
    for task in tasks("train", 160) + tasks("heldout", 80):
        fact, _, item = task.id.split("-")
        assert call_tool(fact, json.dumps({"item": item})) == str(task.expected)


@pytest.mark.parametrize("arguments", ["", "{", "[]", "{}", '{"item": "spoon"}', '{"item": ["lamp"]}'])
def test_a_call_the_shop_cannot_follow_is_answered_in_words(arguments: str) -> None:
    assert call_tool("price", arguments) == "unknown"


def test_the_tokenizer_knows_every_word_of_the_task() -> None:
    tokenizer = build_tokenizer()
    for task in tasks("train", 160) + tasks("heldout", 80):
        text = tokenizer.apply_chat_template(
            [{"role": "system", "content": agent.SYSTEM}, {"role": "user", "content": task.input}],
            tools=TOOLS,
            add_generation_prompt=True,
            tokenize=False,
        )
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids).split() == str(text).replace("<|im_end|>", "<|im_end|> ").split()
    assert all(tokenizer.convert_tokens_to_ids(str(n)) != tokenizer.unk_token_id for n in NUMBERS)


def test_the_policy_is_small_and_saved_with_its_tokenizer() -> None:
    model = load_model(str(tiny_policy()))
    assert 50_000 < sum(weight.numel() for weight in model.parameters()) < 150_000
    assert load_tokenizer(str(tiny_policy())).chat_template


def test_an_untrained_policy_answers_in_form_and_chooses_at_random() -> None:
    with serving(tiny_policy(), seed=0) as served:
        played = play(served, tasks("heldout", recipe.HELD_OUT_ROLLOUTS))
    called = [call["function"] for one in played for reply in one.replies for call in reply["tool_calls"] or []]
    assert sum(len(one.replies) == 2 for one in played) > 0.9 * len(played)
    for fact in FACTS:
        assert 0.1 < sum(call["name"] == fact for call in called) / len(called) < 0.4
    assert 0.1 < sum(one.reward for one in played) / len(played) < 0.4


def test_agents_in_threads_are_served_fast_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """At least 15 rollouts a second, uninstrumented: the demo's budget rests on it. Here some 60."""
    from concurrent.futures import ThreadPoolExecutor

    with serving(tiny_policy(), seed=0) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", served.url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        monkeypatch.setenv("OPENAI_MODEL", "tiny")
        asked = tasks("train", 120)
        with ThreadPoolExecutor(16) as pool:
            start = time.monotonic()
            outputs = list(pool.map(lambda task: solve(task.input), asked))
            seconds = time.monotonic() - start
    assert sum(reward(task, output) for task, output in zip(asked, outputs, strict=True)) > 0
    assert len(asked) / seconds > 15


def test_the_agent_runs_by_itself_and_knows_nothing_of_leyden() -> None:
    path = Path(agent.__file__)
    assert "import leyden" not in path.read_text()
    assert "from leyden" not in path.read_text()
    with serving(tiny_policy(), seed=0) as served:
        done = subprocess.run(
            [sys.executable, "-I", str(path), "how heavy is the lamp"],
            env={"OPENAI_BASE_URL": served.url, "OPENAI_API_KEY": "none", "OPENAI_MODEL": "tiny"},
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.startswith("it is ")


def test_the_same_seed_builds_the_same_tokenizer() -> None:
    assert build_tokenizer().get_vocab() == load_tokenizer(str(tiny_policy())).get_vocab()

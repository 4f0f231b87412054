"""The rollouts of a step: every one is told of, what cannot be trained is counted, and servers may die meanwhile."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from leyden_exporters.options import Options
from leyden_exporters.scoring import find_reward
from leyden_store.lightning import LightningStore
from leyden_trainers.errors import RolloutsLost, ServerLost
from leyden_trainers.online import rollouts as rollouts_module
from leyden_trainers.online.gathering import Gathering
from leyden_trainers.online.reading import Judging, Piece, Reader
from leyden_trainers.online.rollouts import Rollouts
from leyden_trainers.online.runner import Assignment, Policy, Ran, start_runner
from leyden_trainers.online.serving import AnyServer
from leyden_trainers.online.step import Fate, Step
from leyden_trainers.online.tasks import Task
from tests.support.collector import Collector
from tests.support.fake_llm import FakeLlm, ids_of, logprobs_of, prompt_text, sampled

AGENT = '''
import os, time
import leyden, openai

client = openai.OpenAI()

def say(messages):
    return client.chat.completions.create(model="fake", messages=messages).choices[0].message.content

def act(value):
    """What the words of the input say, in their order."""
    messages, said = [], ""
    for word in value.split():
        if word == "ask":
            messages.append({"role": "user", "content": "hello"})
            said = say(messages)
            messages.append({"role": "assistant", "content": said})
        elif word == "fork":
            said = say([{"role": "user", "content": "another conversation"}])
        elif word == "reward":
            leyden.reward(0.5)
        elif word == "raise":
            raise RuntimeError("it broke")
        elif word == "hang":
            time.sleep(60)
        elif word == "told":
            while not os.path.exists(os.path.join(os.path.dirname(__file__), "go on")):
                time.sleep(0.05)
    return said
'''


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("agent") / "agent.py"
    path.write_text(AGENT)
    return f"{path}:act"


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLlm]:
    with FakeLlm(policy_version=7) as listening:
        yield listening


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    folder = tmp_path_factory.mktemp("collector")
    with Collector(f"chdb://{folder}/store", folder) as running:
        yield running


Making = Callable[..., Any]


@pytest.fixture
def making(collector: Collector, agent: str, llm: FakeLlm) -> Making:
    """Steps over tasks given as inputs, by a policy of that version."""

    @contextmanager
    def make(judging: Judging | None = None, timeout_s: float = 60.0) -> Iterator[Callable[..., Step]]:
        settings = {"agent": agent, "collector": collector.url, "concurrency": 2, "timeout_s": timeout_s}
        runner = start_runner("local", settings)
        tasks = {one: Task(one, one, {"reference": 3}) for one in INPUTS}
        try:
            with LightningStore.open(collector.dsn) as store:
                reader = Reader(Gathering(store, collector.url), judging or Judging(), Options(), lambda _: None)
                rollouts = Rollouts(runner, reader, list(tasks.values()), session="run")

                def step(inputs: Sequence[str], *, version: int = 7, **given: Any) -> Step:
                    return rollouts.make(inputs, Policy(llm.url, "fake", str(version)), **given)

                yield step
        finally:
            runner.close()

    return make


INPUTS = ["ask reward", "ask ask reward", "ask fork reward", "ask", "reward", "raise", "hang", "ask reward raise"]
INPUTS += ["ask hang", "told ask reward"]


def fates(step: Step) -> list[str]:
    return [str(one.fate) for one in step.copies]


def test_every_rollout_is_told_of_with_its_tokens_and_its_reward(making: Making) -> None:
    with making(timeout_s=12.0) as step:
        made = step(INPUTS[:8])
    assert fates(made) == ["trained", "trained", "trained", "no_reward", "no_turn", "failed", "timed_out", "failed"]
    assert [one.reward for one in made.copies] == [0.5, 0.5, 0.5, None, 0.5, None, None, None]
    assert [len(one.rows) for one in made.copies] == [1, 2, 2, 0, 0, 0, 0, 0]
    assert "it broke" in made.copies[5].said
    assert made.copies[6].said.startswith("took longer than 12 s")
    numbers = made.measured()
    assert (numbers["rollouts/trained"], numbers["rollouts/failed"], numbers["rollouts/forked"]) == (3, 2, 2)
    assert numbers["dropped/no_reward"] == 1
    (row,) = made.copies[0].rows
    reply = ids_of(sampled("echo: hello", []))
    assert row.prompt_ids == ids_of(prompt_text([{"role": "user", "content": "hello"}]))
    assert (row.completion_ids, row.mask) == (reply, [1] * len(reply))
    assert row.logps == pytest.approx(logprobs_of(reply))


def test_what_older_weights_sampled_is_left_out_and_counted(making: Making) -> None:
    with making() as step, pytest.raises(RolloutsLost, match="2 nothing_usable; of their turns: 3 stale"):
        step(["ask reward", "ask ask reward"], version=9)
    with making(Judging(max_staleness=2)) as step:
        made = step(["ask reward"], version=9)
    assert (fates(made), made.measured()["staleness"]) == (["trained"], 2.0)


def test_a_function_judges_with_the_task_s_reference_and_its_scores_are_stored(
    making: Making, collector: Collector, llm: FakeLlm
) -> None:
    number = find_reward("number", {})
    with making(Judging(function=number, failed=-1.0)) as step:
        made = step(["ask reward", "ask reward raise", "raise"])
    assert [one.reward for one in made.copies] == [0.0, -1.0, None], (
        "one that called no model is not there to be judged"
    )
    assert [len(one.rows) for one in made.copies] == [1, 1, 0]
    assert fates(made) == ["trained", "failed", "failed"]
    with LightningStore.open(collector.dsn) as store:
        found = store.sql("SELECT RolloutId, Value FROM rewards FINAL WHERE Source = 'score:number@1'").to_pylist()
    assert {"RolloutId": made.copies[0].rollout_id, "Value": 0.0} in found


def test_one_that_was_killed_earns_what_failing_earns_and_its_root_is_not_waited_for(
    making: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    awaited: list[set[str]] = []
    wait = Gathering.wait

    def noting(self: Gathering, attempts: Mapping[str, int], *, at_most_s: float) -> set[str]:
        awaited.append({rollout_id.split("/")[2] for rollout_id in attempts})
        return wait(self, attempts, at_most_s=at_most_s)

    monkeypatch.setattr(Gathering, "wait", noting)
    with making(Judging(failed=-1.0), timeout_s=12.0) as step:
        made = step(["ask hang", "ask reward raise"])
    assert fates(made) == ["timed_out", "failed"]
    assert [(one.reward, len(one.rows)) for one in made.copies] == [(-1.0, 1), (-1.0, 1)]
    assert awaited == [set(), {"ask reward raise"}]


def test_rollouts_are_read_while_others_run(making: Making, agent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ends when two others have been read, or never."""
    monkeypatch.setattr(rollouts_module, "_AT_LEAST", 2)
    ended: list[tuple[int, int]] = []
    read = Reader.read

    def noting(self: Reader, work: Sequence[Assignment], ran: Mapping[str, Ran], version: int) -> Piece:
        piece = read(self, work, ran, version)
        ended.append((len(work), len(ran)))
        if len(ended) == 2:
            Path(agent.partition(":")[0]).with_name("go on").touch()
        return piece

    monkeypatch.setattr(Reader, "read", noting)
    inputs = ["told ask reward", "ask reward", "raise", "ask ask reward", "ask"]
    with making() as step:
        step(["ask reward"])
        made = step(inputs)
    assert [one.rollout_id.split("/")[2] for one in made.copies] == inputs
    assert fates(made) == ["trained", "trained", "failed", "trained", "no_reward"]
    assert ended[-1][1] == len(inputs)
    assert ended[1][1] < len(inputs)
    assert sum(count for count, _ in ended[1:]) == len(inputs), "each once"
    assert (made.measured()["rollouts/trained"], made.measured()["dropped/no_reward"]) == (3, 1)


def test_rewards_that_somebody_posts_are_waited_for(making: Making, collector: Collector) -> None:
    def known(store: LightningStore) -> set[str]:
        return {one["RolloutId"] for one in store.sql("SELECT RolloutId FROM traces WHERE GroupId = 'ask'").to_pylist()}

    with LightningStore.open(collector.dsn) as store:
        before = known(store)

    def post() -> None:
        with LightningStore.open(collector.dsn) as store:
            while not (found := known(store) - before):
                time.sleep(0.1)
        given = [{"rollout_id": one, "name": "reward", "value": 0.25} for one in found]
        request = urllib.request.Request(
            f"{collector.url}/api/rewards", json.dumps(given).encode(), {"content-type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=30).close()

    with making(Judging(reward_wait_s=60.0)) as step:
        thread = threading.Timer(0.0, post)
        thread.start()
        made = step(["ask"])
        thread.join()
    assert (fates(made), made.copies[0].reward) == (["trained"], 0.25)


def test_a_step_of_which_nothing_can_be_trained_says_why(making: Making) -> None:
    said = r"no rollout can be trained on: 2 failed \(RuntimeError: it broke\)"
    with making() as step, pytest.raises(RolloutsLost, match=said):
        step(["raise", "raise"])
    with making() as step:
        step(["ask reward"])
        for _ in range(2):
            assert fates(step(["raise"])) == ["failed"], "once it has gone well, a step or two may be lost"
        with pytest.raises(RolloutsLost):
            step(["raise"])


def test_rollouts_that_a_dying_server_took_with_it_are_tried_once_more(making: Making, llm: FakeLlm) -> None:
    asked: list[int] = []

    def restored() -> Policy:
        asked.append(1)
        return Policy(llm.url, "fake", "7")

    with making() as step:
        made = step(["ask reward", "raise"], restored=restored)
    assert fates(made) == ["trained", "failed"]
    assert (len(asked), made.measured()["rollouts/retried"]) == (1, 1)


def test_a_server_that_does_not_answer_is_one_clear_line(tmp_path: Path) -> None:
    server = AnyServer("http://127.0.0.1:9/v1", tmp_path / "weights", patience_s=0)
    with pytest.raises(ServerLost, match=r"nothing answers at http://127\.0\.0\.1:9/admin/load"):
        server.load(lambda folder: folder.mkdir(parents=True), 0)


def test_a_collector_that_is_killed_and_started_again_costs_no_run(
    making: Making, collector: Collector, agent: str, llm: FakeLlm
) -> None:
    port = collector.url.rpartition(":")[2]
    with making(Judging(wait_s=30.0)) as step:
        assert fates(step(["ask reward"])) == ["trained"]
        collector.kill()
        again = threading.Timer(
            1.0, lambda: (setattr(collector, "_arguments", ("--http-port", port)), collector.start())
        )
        again.start()
        made = step(["ask reward", "ask reward"])
        again.join()
        assert set(fates(made)) <= {Fate.TRAINED, Fate.INCOMPLETE}
        assert fates(step(["ask reward"])) == ["trained"]

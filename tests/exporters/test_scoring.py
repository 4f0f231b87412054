"""Reward functions compare, run and ask as they say; what they cannot judge is an error or nothing, never 0."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from leyden_exporters.errors import OptionsInvalid
from leyden_exporters.scoring import Case, Score, find_reward, reference_of
from leyden_exporters.scoring.judge import JudgeFailed
from leyden_exporters.scoring.matching import NoReference, last_json, last_number
from leyden_exporters.scoring.plugin import is_reward_function
from tests.exporters.making import rollout, said, single, turn


def case(answer: str, reference: Any = None) -> Case:
    return Case(rollout([turn(0, messages=[said("user", "q")], response=said("assistant", answer))]), reference)


def value(name: str, answer: str, reference: Any, **settings: str) -> float:
    found = find_reward(name, settings)(case(answer, reference))
    assert found is not None
    return found.value


def test_matching_is_of_text_pattern_value_and_number() -> None:
    assert value("exact", " Paris\n", "Paris") == 1
    assert value("exact", "paris", "Paris") == 0
    assert value("exact", "paris", "Paris", ignore_case="true") == 1
    assert value("regex", "it is\nParis.", r"is.*Par") == 1
    assert value("regex", "x", None, pattern="y") == 0
    assert value("json", 'so: {"b": [1.0], "a": 2} done', {"a": 2, "b": [1]}) == 1
    assert value("json", "none", '{"a": 1}') == 0
    assert value("number", "17 and then $1,234.50.", "1234.5") == 1
    assert value("number", "about 3.15", 3.14, tolerance="0.01") == 1
    assert value("number", "no idea", 3) == 0


@pytest.mark.parametrize(
    ("text", "number"), [("a 1,000", 1000), ("-.5e2 x", -50), ("12.5%", 12.5), ("v1.2", 1.2), ("x", None)]
)
def test_the_last_number(text: str, number: float | None) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize(
    ("text", "found"),
    [("{} [1]", ([1],)), ("7", (7,)), ("null", (None,)), ("{ x", None), ('a {"b":{"c":1}}', ({"b": {"c": 1}},))],
)
def test_the_last_json(text: str, found: Any) -> None:
    assert last_json(text) == found


def test_without_a_reference_there_is_no_score() -> None:
    with pytest.raises(NoReference):
        find_reward("exact", {})(case("x"))


def test_references_are_found_by_rollout_then_group(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"group_id": "g", "reference": 1}\n\n{"rollout_id": "b", "reference": {"x": 2}}\n')
    find = reference_of(path)
    assert [find(single(name, group, None)) for name, group in (("a", "g"), ("b", "g"), ("c", "h"))] == [
        1,
        {"x": 2},
        None,
    ]
    path.write_text('{"group_id": "g"}\n')
    with pytest.raises(OptionsInvalid, match="line 1"):
        reference_of(path)


def test_code_is_run_with_its_tests_within_limits() -> None:
    good = "Here:\n```python\ndef add(a, b):\n    return a + b\n```\n"
    assert value("tests", good, "assert add(1, 2) == 3") == 1
    failed = find_reward("tests", {})(case(good, "assert add(1, 2) == 4"))
    assert failed is not None
    assert (failed.value, failed.label) == (0, "failed")
    assert "AssertionError" in failed.explanation
    slow = find_reward("tests", {"timeout_s": "0.5"})(case("import time\ntime.sleep(30)", ""))
    assert slow is not None
    assert (slow.value, slow.label) == (0, "timeout")
    large = find_reward("tests", {"memory_mb": "256"})(case("x = bytearray(1 << 30)", ""))
    assert large is not None
    assert "MemoryError" in large.explanation


def test_a_function_of_ones_own_is_found_by_module_and_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_rewards.py").write_text(
        "def long(case):\n    return len(case.answer) > 3\n\n"
        "def none(case):\n    return None\n\ndef bad(case):\n    return 'x'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    long = find_reward("my_rewards:long", {})
    assert long(case("abcd")) == Score(1.0)
    assert (long.name, len(long.version)) == ("long", 8)
    assert find_reward("my_rewards:none", {})(case("")) is None
    with pytest.raises(TypeError):
        find_reward("my_rewards:bad", {})(case(""))
    for name, said_of_it in (
        ("my_rewards:gone", "cannot be loaded"),
        ("exat", "use exact"),
        ("my_rewards:long", "no settings"),
    ):
        with pytest.raises(OptionsInvalid, match=said_of_it):
            find_reward(name, {"x": "1"} if said_of_it == "no settings" else {})
    del sys.modules["my_rewards"]


def test_an_installed_function_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "polite-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: polite\nVersion: 1\n")
    points = (
        "[leyden.rewards]\npolite = polite_rewards:polite\nstrict = polite_rewards:Strict\nbroken = polite_rewards:no\n"
    )
    (info / "entry_points.txt").write_text(points)
    (tmp_path / "polite_rewards.py").write_text(
        "from leyden_exporters.scoring import Score\n\n\n"
        "def polite(case):\n    return 'please' in case.answer\n\n\npolite.version = '3'\n\n\n"
        "class Strict:\n    name, version = 'strict', '1'\n\n"
        "    def __init__(self, word):\n        self.word = word\n\n"
        "    @classmethod\n    def from_settings(cls, settings):\n        return cls(settings['word'])\n\n"
        "    def __call__(self, case):\n        return Score(float(self.word in case.answer), label=self.word)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not is_reward_function("impolite")
    assert is_reward_function("polite")
    polite = find_reward("polite", {})
    assert (polite.name, polite.version, polite(case("yes please"))) == ("polite", "3", Score(1.0))
    assert find_reward("strict", {"word": "now"})(case("later")) == Score(0.0, label="now")
    with pytest.raises(OptionsInvalid, match="'broken' cannot be loaded"):
        find_reward("broken", {})
    with pytest.raises(OptionsInvalid, match="use polite"):
        find_reward("polit", {})
    del sys.modules["polite_rewards"]


class _FakeJudge(BaseHTTPRequestHandler):
    """A fake LLM server: gives the scores it is told, in turn."""

    scores: list[Any]

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert asked["messages"][1]["content"].endswith("[assistant]\nanswer")
        answer = self.scores.pop(0)
        body = {
            "choices": [{"message": {"content": answer if isinstance(answer, str) else json.dumps({"score": answer})}}]
        }
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def judge_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _FakeJudge) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


def test_a_judge_is_asked_repeatedly_and_its_agreement_told(judge_url: str) -> None:
    _FakeJudge.scores = [0.5, "I think so", 1.0, 0.6]
    judge = find_reward("judge", {"url": judge_url, "model": "m", "rubric": "be good", "repeats": "3"})
    found = judge(case("answer"))
    assert found is not None
    assert found.value == pytest.approx(0.7)
    assert found.agreement == pytest.approx(1 - (0.5 + 0.1 + 0.4) / 3)
    other = find_reward("judge", {"url": judge_url, "model": "m", "rubric": "be better"})
    assert other.version != judge.version


def test_a_judge_that_gives_no_score_is_an_error(judge_url: str) -> None:
    _FakeJudge.scores = ["no", 7, True]
    with pytest.raises(JudgeFailed, match="no score from 0 to 1"):
        find_reward("judge", {"url": judge_url, "model": "m", "rubric": "r", "repeats": "1"})(case("answer"))


JUDGE = {"url": "http://127.0.0.1:1", "model": "m", "rubric": "r"}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("judge", {}),
        ("judge", JUDGE | {"url": "file:///x"}),
        ("judge", JUDGE | {"rubric": "@/gone"}),
        ("exact", {"x": "1"}),
        ("number", {"tolerance": "x"}),
        ("regex", {"pattern": "("}),
        ("tests", {"timeout_s": "0"}),
    ],
)
def test_settings_that_cannot_be_are_said(name: str, settings: dict[str, str]) -> None:
    with pytest.raises(OptionsInvalid):
        find_reward(name, settings)

"""`leyden eval`, `compare` and `evals`: a task set under two prompts, and which is better, on the real way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import prompted_agent
from tests.support.cli import Cli
from tests.support.collector import Collector, ask

AGENT = f"{prompted_agent.__file__}:act"
URL: list[str] = []
SKILLS = ("count", "check", "explain")


def save(collector: Collector, name: str, text: str) -> None:
    body = json.dumps({"text": text}).encode()
    url = f"{collector.url}/api/prompts/{name}"
    assert ask(url, body, method="PUT", content_type="application/json").status == 200


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    folder = tmp_path_factory.mktemp("eval")
    tasks = [{"id": f"t{n}", "input": {"needs": [SKILLS[n % 3], SKILLS[(n + 1) % 3]]}} for n in range(7)]
    tasks.append({"id": "t7", "input": {"needs": ["count"], "breaks": True}})
    tasks.append({"id": "t8", "input": {"needs": ["count"], "silent": True}})
    (folder / "tasks.jsonl").write_text("\n".join(map(json.dumps, tasks)))
    dsn = f"chdb://{folder}/store"
    with Collector(dsn, folder) as collector:
        URL.append(collector.url)
        made = Cli(folder, dsn)
        save(collector, "solver", "Solve {{problem}}. Then stop.")
        save(collector, "solver", "Solve {{problem}}: count, check and explain.")
        save(collector, "other", "Other.")
        yield made


def evaluated(cli: Cli, which: str, *more: str) -> dict[str, object]:
    arguments = ("eval", "--agent", AGENT, "--tasks", "tasks.jsonl", "--concurrency", "2")
    (found,) = cli.lines(*arguments, "--prompt", f"solver@{which}", *more, "--json")
    assert isinstance(found, dict)
    return found


def test_the_better_prompt_wins_and_failures_are_counted_apart(cli: Cli) -> None:
    before = evaluated(cli, "production", "--name", "before")
    after = evaluated(cli, "2", "--against", "before", "--require", "better")
    assert (after["name"], after["prompt"], after["prompt_version"], before["prompt_version"]) == (
        "solver@2", "solver", "2", "1",
    )  # fmt: skip
    summary = after["summary"]
    assert isinstance(summary, dict)
    assert summary["outcomes"] == {"done": 8, "failed": 1}
    assert (summary["rewards"]["reward"]["mean"], summary["rewards"]["reward"]["tasks"]) == (1.0, 7)
    assert (summary["rewards"]["reward"]["without"], summary["unrewarded"], summary["without_prompt"]) == (2, 2, 0)
    assert summary["latency_s"]["mean"] > 0
    verdict = after["comparison"]
    assert isinstance(verdict, dict)
    assert verdict["winner"] == "b"
    assert verdict["why"].startswith("solver@2 won: solver@2 has reward 1 against 0, +1 [+1, +1] over 7 tasks")
    told = {one["measure"]: one for one in verdict["measures"]}
    assert told["input_tokens"]["difference"] == len(" count, check and explain.") - len(". Then stop.") + 1

    said = cli("compare", "before", "solver@2", "--require", "not-worse").stdout
    assert said.startswith(verdict["why"])
    assert cli("compare", "solver@2", "before", "--require", "not-worse", code=1).stdout.startswith("solver@2 won")
    assert cli("compare", "before", "before", "--require", "better", code=1).stdout.startswith("undecided")

    (shown,) = cli.lines("evals", "before", "--json")
    fates = {one["task_id"]: (one["outcome"], one["rewards"], one["error"]) for one in shown["rollouts"]}
    assert fates["t0"] == ("done", {"reward": 0.0}, "")
    assert fates["t7"] == ("failed", {}, "RuntimeError: told to break")
    assert fates["t8"] == ("done", {}, "")
    assert {one["winner"] for one in shown["comparisons"]} == {"a", "b", ""}
    api = ask(f"{URL[0]}/api/evaluations/before").json()
    assert (api["evaluation_id"], len(api["rollouts"])) == (before["evaluation_id"], 9)
    assert {one["name"] for one in ask(f"{URL[0]}/api/evaluations").json()["items"]} >= {"before", "solver@2"}
    assert ask(f"{URL[0]}/api/evaluations/none").json()["error"]["code"] == "evaluation_not_found"
    versions = cli.lines("turns", "--where", "SpanAttributes['leyden.prompt.version'] = '2'")
    assert {turn["group_id"] for turn in versions} == {f"t{n}" for n in range(9)} - {"t7"}


def test_a_function_judges_and_what_it_cannot_judge_is_no_zero(cli: Cli, tmp_path: Path) -> None:
    (cli.folder / "judging.py").write_text(
        "def skill(case):\n    if case.reference is None:\n        raise ValueError('no reference')\n"
        "    return case.answer == case.reference\n"
    )
    lines = [
        {"id": "a", "input": {"needs": ["count"]}, "reference": "count"},
        {"id": "b", "input": {"needs": ["check"]}, "reference": "something else"},
        {"id": "c", "input": {"needs": ["check"]}},
    ]
    (tmp_path / "tasks.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (found,) = cli.lines(
        "eval", "--agent", AGENT, "--tasks", tmp_path / "tasks.jsonl", "--prompt", "solver@2",
        "--reward", "judging:skill", "--attempts", "2", "--json",
    )  # fmt: skip
    assert found["summary"]["rewards"]["skill"] == {
        "mean": 0.5, "low": 0.0, "high": 1.0, "tasks": 2, "without": 2,
    }  # fmt: skip
    (shown,) = cli.lines("evals", found["evaluation_id"], "--json")
    assert [one["error"] for one in shown["rollouts"] if one["task_id"] == "c"] == ["ValueError: no reference"] * 2


def test_an_evaluation_that_says_nothing_is_refused_and_recorded(cli: Cli) -> None:
    (cli.folder / "one.jsonl").write_text('{"id": "a", "input": {"needs": ["count"]}}')
    arguments = ("eval", "--agent", AGENT, "--tasks", "one.jsonl")
    said = cli.refused(*arguments, "--prompt", "other", "--name", "unused")
    assert "no rollout used the prompt 'other': the agent is to ask for it with leyden.prompt('other')" in said
    (shown,) = cli.lines("evals", "unused", "--json")
    assert (shown["status"], len(shown["rollouts"])) == ("failed", 1)
    said = cli.refused(*arguments, "--reward", "style", "--name", "unstyled")
    assert "no rollout has a reward 'style'; they have reward" in said
    assert "no evaluation is called 'none'" in cli.refused(*arguments, "--against", "none")

"""Every file in `cases/` is one: turns in, trajectories and reasons out. Adding a case is adding a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from leyden_exporters.build import trajectory_table
from leyden_exporters.options import Advantage, Credit, Options, Overlong, PerTurn
from leyden_store.turns import Reward, Turn
from tests.exporters.making import called, rollout, turn

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
@pytest.mark.parametrize("order", ["in order", "reversed"])
def test_case(path: Path, order: str) -> None:
    case = json.loads(path.read_text())
    turns = [_turn(number, spec) for number, spec in enumerate(case["turns"])]
    if order == "reversed":
        turns.reverse()

    rewards = [
        Reward("reward", value, time_ns=time, parent_span_id="".join(under))
        for time, value, *under in case.get("rewards", [])
    ]
    whole = replace(rollout(turns), rewards=tuple(rewards))

    table, report = trajectory_table([whole], _options(case.get("options", {})))

    rows = table.to_pylist()
    assert [row["branch"] for row in rows] == list(range(len(rows)))
    for row, expected in zip(rows, case["trajectories"], strict=True):
        assert {key: row[key] for key in expected} == expected
    assert report.dropped == case["dropped"]
    assert report.to_json()["origins"] == case["origins"]
    assert all(report.notes[name] == count for name, count in case.get("notes", {}).items())
    assert report.kept + sum(report.dropped.values()) == report.llm_spans == len(turns)


def _turn(number: int, spec: dict[str, Any]) -> Turn:
    spec = dict(spec)
    prompt, sampled = spec.pop("prompt"), spec.pop("response")
    if "logprobs" in spec and spec["logprobs"] is not None:
        spec["logprobs"] = [float(value) for value in spec["logprobs"]]
    for short, field in (("start", "start_ns"), ("span", "span_id"), ("answer", "response")):
        if short in spec:
            spec[field] = spec.pop(short)
    if "calls" in spec:
        spec["response"] = called(spec.pop("calls"), "{}")
    return turn(number, prompt, sampled, **spec)


def _options(spec: dict[str, Any]) -> Options:
    made = dict(spec)
    for name in ("agents", "depths", "policy_versions", "tools"):
        if name in made:
            made[name] = frozenset(made[name])
    kinds = {"overlong": Overlong, "per_turn": PerTurn, "credit": Credit, "advantage": Advantage}
    made |= {name: kind(made[name]) for name, kind in kinds.items() if name in made}
    return Options(**made)

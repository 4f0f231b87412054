"""`leyden score` keeps a function's scores as rewards: parallel, resumable, versions side by side, errors never 0."""

from __future__ import annotations

from pathlib import Path

import pytest

from leyden.exporting import export
from leyden.scoring import score, score_by_sql
from leyden_exporters.options import Options
from leyden_exporters.scoring import Case, Score
from leyden_exporters.scoring.plugin import Plain
from leyden_store.lightning import LightningStore
from leyden_store.otlp import decode_traces
from tests.leyden.conftest import CASES
from tests.support.otlp_making import put


@pytest.fixture
def recorded(tmp_path: Path) -> LightningStore:  # type: ignore[misc]
    """A store of two tool loops."""
    with LightningStore.open(f"chdb://{tmp_path}/store") as store:
        for case in ("genai-toolloop", "openinference-toolloop"):
            put(store, decode_traces((CASES / case / "input.pb").read_bytes()))
        yield store  # type: ignore[misc]


def rewards(store: LightningStore) -> list[tuple[str, str, float]]:
    rows = store.connection.rows("SELECT RolloutId AS r, Source AS s, Value AS v FROM rewards FINAL ORDER BY s, r")
    return [(row["r"], row["s"], row["v"]) for row in rows]


def test_scores_are_rewards_and_a_new_version_stands_beside_the_old(recorded: LightningStore) -> None:
    everything = recorded.select()
    count = len(list(recorded.rollouts()))
    done = score(recorded, everything, Plain(lambda case: len(case.trees) == len(case.rollout.trace_ids), "trees", "1"))
    assert (done.scored, done.rollouts, done.to_json()["mean"]) == (count, count, 1.0)
    again = score(recorded, everything, Plain(lambda case: 1.0, "trees", "1"), only_new=True)
    assert (again.scored, again.skipped) == (0, count)
    score(recorded, everything, Plain(lambda case: 0.25, "trees", "2"))
    assert [source for _, source, _ in rewards(recorded)] == ["score:trees@1"] * count + ["score:trees@2"] * count
    assert {rollout.reward("trees") for rollout in recorded.rollouts()} == {0.25}


def test_what_fails_is_counted_and_no_score(recorded: LightningStore) -> None:
    first = next(iter(recorded.rollouts())).rollout_id

    def judge(case: Case) -> Score | None:
        if case.rollout.rollout_id == first:
            raise RuntimeError("judge is ill")
        return Score(float("nan")) if case.rollout.turns else None

    done = score(recorded, recorded.select(), Plain(judge, "j", "1"))
    assert done.errors == {"RuntimeError": 1, "ValueError": done.rollouts - 1}
    assert f"{first}: RuntimeError: judge is ill" in done.failures
    assert rewards(recorded) == []
    assert all(rollout.reward() is None for rollout in recorded.rollouts())


def test_sql_scores_what_it_selects(recorded: LightningStore) -> None:
    text = "SELECT TraceId, sum(OutputTokens) AS Value FROM otel_traces GROUP BY TraceId"
    done = score_by_sql(recorded, recorded.select(), {"sql": text}, name="length")
    assert done.scored == done.rollouts
    assert all((rollout.reward("length") or 0) > 0 for rollout in recorded.rollouts())


def test_a_correction_becomes_the_target_of_the_next_export(recorded: LightningStore, tmp_path: Path) -> None:
    turn = next(iter(recorded.turns()))
    recorded.labels.correct(f"{turn.trace_id}/{turn.span_id}", "the better words")
    export(recorded, recorded.select(), form="trl-sft", out=tmp_path / "x.jsonl", options=Options())
    assert "the better words" in (tmp_path / "x.jsonl").read_text()
    export(recorded, recorded.select(), form="turns", out=tmp_path / "y.jsonl", options=Options())
    assert "the better words" not in (tmp_path / "y.jsonl").read_text()

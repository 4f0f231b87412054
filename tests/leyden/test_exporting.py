"""An export that was cut off goes on where it stopped, and gives the bytes it would have given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from leyden.exporting import Plan, export
from leyden_exporters.options import Options
from leyden_exporters.snapshots import verify
from leyden_store import batches
from leyden_store.lightning import LightningStore
from leyden_store.turns import PostedReward, Rollout
from tests.support.otlp_making import NOW_NS, chat, put


class Cut(Exception):
    """The plug is pulled."""


@pytest.fixture
def seven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LightningStore]:
    """Seven rollouts, read one at a time."""
    monkeypatch.setattr(batches, "_BATCH", 1)
    with LightningStore.open(f"chdb://{tmp_path}/store") as store:
        for n in range(1, 8):
            resource = {"leyden.rollout.id": f"r{n}"}
            put(store, [chat(1, trace=n, at_ns=NOW_NS + n * 10**9, resource=resource)])
        yield store


def cut_after(count: int) -> object:
    def watch(rollouts: Iterable[Rollout]) -> Iterator[Rollout]:
        for number, rollout in enumerate(rollouts):
            if number == count:
                raise Cut
            yield rollout

    return watch


def test_what_was_read_is_not_read_again(
    seven: LightningStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, out = Plan(resume=True), tmp_path / "set"
    with pytest.raises(Cut):
        export(seven, seven.select(), form="turns", out=out, options=Options(), plan=plan, watch=cut_after(4))  # type: ignore[arg-type]
    assert not out.exists()
    assert (tmp_path / ".set.resume").is_dir()
    read: list[int] = []
    whole = LightningStore.rollout_batches

    def counting(self: LightningStore, *a: object, skip: int = 0, **more: object) -> Iterator[list[Rollout]]:
        read.append(skip)
        return whole(self, *a, skip=skip, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(LightningStore, "rollout_batches", counting)
    export(seven, seven.select(), form="turns", out=out, options=Options(), plan=plan)
    assert read[0] >= 4
    export(seven, seven.select(), form="turns", out=tmp_path / "straight", options=Options())
    assert verify(out) == verify(tmp_path / "straight")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "store") == ["set", "straight"]


def test_other_spans_begin_anew(seven: LightningStore, tmp_path: Path) -> None:
    plan, out = Plan(resume=True), tmp_path / "set"
    with pytest.raises(Cut):
        export(seven, seven.select(), form="turns", out=out, options=Options(), plan=plan, watch=cut_after(4))  # type: ignore[arg-type]
    put(seven, [chat(1, trace=9, at_ns=NOW_NS, resource={"leyden.rollout.id": "r0"})])
    made = export(seven, seven.select(), form="turns", out=out, options=Options(), plan=plan)
    assert made.rows == 8


@pytest.mark.server
@pytest.mark.parametrize("form", ["trl-sft", "trajectories", "turns", "verl-rl"])
def test_a_server_gives_the_bytes_that_an_embedded_store_gives(form: str, server_dsn: str, tmp_path: Path) -> None:
    made = []
    for number, dsn in enumerate((f"chdb://{tmp_path}/store", server_dsn)):
        with LightningStore.open(dsn) as store:
            # What came first, and how much at once, says nothing of what it is.
            for n in sorted(range(1, 6), reverse=bool(number)):
                spans = [chat(k, trace=n, at_ns=NOW_NS + (n + k) * 10**9, resource={"leyden.rollout.id": f"r{n}"})
                         for k in (1, 2)]  # fmt: skip
                for piece in (spans,) if number else ([span] for span in spans):
                    put(store, piece)
            store.add_rewards(PostedReward("reward", n / 5, rollout_id=f"r{n}") for n in range(1, 6))
            made.append(export(store, store.select(), form=form, out=tmp_path / f"{number}", options=Options()))
    assert made[0].manifest == made[1].manifest
    assert made[0].rows > 0 or form == "trajectories"

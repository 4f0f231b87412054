"""`leyden store erase`: over a store at rest and over a running collector, its spool and quarantine included."""

from __future__ import annotations

from pathlib import Path

from leyden.erasing import scrub
from leyden_store.erasure import Target
from leyden_store.ingest import delimited
from leyden_store.otlp import decode_traces, encode_traces
from tests.support.cli import Cli
from tests.support.collector import Collector
from tests.support.otlp_making import chat, make

GONE = [make(1, session_id="s-gone"), chat(2, parent=1, said="glockenspiel")]
KEPT = [make(1, trace=2, session_id="s-kept"), chat(2, trace=2, parent=1, said="harpsichord")]


def test_it_says_first_and_erases_only_when_told(empty: Cli) -> None:
    (empty.folder / "in.pb").write_bytes(encode_traces([*GONE, *KEPT]))
    empty("ingest", "in.pb")
    (said,) = empty.lines("store", "erase", "--session", "s-gone", "--json")
    assert (said["erased"], said["spans"], said["rows"]) == (False, 2, {})
    assert len(empty.lines("traces", "--json")) == 2
    (done,) = empty.lines("store", "erase", "--session", "s-gone", "--yes", "--json")
    assert (done["erased"], done["spans"], done["rows"]["otel_traces"]) == (True, 2, 2)
    assert [t["session_id"] for t in empty.lines("traces", "--json")] == ["s-kept"]
    assert "glockenspiel" not in empty("turns").stdout


def test_it_works_while_a_collector_runs(tmp_path: Path) -> None:
    with Collector(f"chdb://{tmp_path}/store", tmp_path) as collector:
        cli = Cli(tmp_path, collector.dsn)
        assert collector.send(encode_traces([*GONE, *KEPT])).status == 200
        (done,) = cli.lines(
            "store", "erase", "--trace", GONE[0].trace_id, "--spool", collector.spool, "--yes", "--json"
        )
        assert (done["erased"], done["spans"]) == (True, 2)
        assert collector.send(encode_traces(GONE)).status == 200
        assert [t["session_id"] for t in cli.lines("traces", "--json")] == ["s-kept"]
        (stats,) = cli.lines("store", "stats", "--json")
        assert stats["erased_late"] == 2


def test_the_spool_and_the_quarantine_lose_it_too(tmp_path: Path) -> None:
    target = Target("session", "s-gone", [GONE[0].trace_id], [], [], [], 2, [])
    (tmp_path / "traces").mkdir()
    (tmp_path / "quarantine").mkdir()
    segment, poison = tmp_path / "traces" / "1.seg", tmp_path / "quarantine" / "a.pb"
    segment.write_bytes(delimited([encode_traces([*GONE, *KEPT]), encode_traces(GONE), encode_traces(KEPT)]))
    poison.write_bytes(b"\xff\xff s-gone")
    (tmp_path / "quarantine" / "b.pb").write_bytes(encode_traces([*GONE, *KEPT]))
    (tmp_path / "quarantine" / "c.pb").write_bytes(b"\xff\xff another's")
    done = scrub(tmp_path, target, segments=True)
    assert (done.spans, done.files) == (6, 3)
    assert not poison.exists()
    assert (tmp_path / "quarantine" / "c.pb").exists()
    for path in (segment, tmp_path / "quarantine" / "b.pb"):
        data = path.read_bytes()
        assert b"s-gone" not in data
        assert b"glockenspiel" not in data
        assert b"harpsichord" in data
    assert [s.session_id for s in decode_traces((tmp_path / "quarantine" / "b.pb").read_bytes())] == ["s-kept", ""]
    assert scrub(tmp_path, target, segments=True).files == 0

"""The spool keeps what it acknowledged: whole, in order, bounded, through every crash."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leyden_collector.spool import Limits, Spool, SpoolFull, requests
from leyden_store.errors import StoreError
from leyden_store.ingest import delimited

SLOW = Limits(segment_age_s=60.0)


def read(folder: Path) -> list[bytes]:
    """Every request in the folder's segments, in order."""
    return [request for path in sorted(folder.glob("*.seg")) for request in requests(path.read_bytes())[0]]


@given(st.lists(st.binary(max_size=300)), st.binary(max_size=20))
def test_a_segment_is_read_back_as_it_was_written_and_a_torn_tail_is_not(sent: list[bytes], more: bytes) -> None:
    whole = delimited(sent)
    assert requests(whole) == (sent, len(whole))
    torn = delimited([*sent, more + b"x"])[:-1]
    assert requests(torn) == (sent, len(whole))


def test_what_is_acknowledged_is_on_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path, SLOW)
    for number in range(5):
        spool.append(b"%d" % number).result(5)
        assert read(tmp_path)[-1] == b"%d" % number
    spool.stop()
    assert read(tmp_path) == [b"0", b"1", b"2", b"3", b"4"]


def test_many_writers_share_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Limits(segment_bytes=1000, segment_age_s=0.01))

    def write(writer: int) -> None:
        for number in range(50):
            spool.append(b"%d-%d" % (writer, number)).result(5)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spool.stop()
    found = read(tmp_path)
    assert sorted(found) == sorted(b"%d-%d" % (w, n) for w in range(8) for n in range(50))
    assert [r for r in found if r.startswith(b"3-")] == [b"3-%d" % n for n in range(50)]
    assert spool.bytes == sum(p.stat().st_size for p in tmp_path.glob("*.seg"))


def test_a_segment_closes_by_size_and_by_age(tmp_path: Path) -> None:
    closed = threading.Event()
    spool = Spool(tmp_path, Limits(segment_bytes=10, segment_age_s=60), closed.set)
    spool.append(b"x" * 20).result(5)
    assert closed.wait(5)
    spool.stop()
    closed.clear()
    spool = Spool(tmp_path / "other", Limits(segment_age_s=0.05), closed.set)
    spool.append(b"y").result(5)
    assert closed.wait(5)
    spool.stop()


def test_while_the_store_is_behind_a_segment_grows(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Limits(segment_age_s=0.01))
    for number in range(20):
        spool.append(b"%d" % number).result(5)
        time.sleep(0.02)
    assert len(spool.closed) == 1
    spool.done(spool.closed[0])
    while not spool.closed:
        time.sleep(0.01)
    assert len(read(tmp_path)) >= 18
    spool.stop()


def test_while_the_store_is_behind_a_segment_grows_to_eight_times_its_size_and_no_further(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Limits(segment_bytes=100, segment_age_s=60), in_flight=1)
    for _ in range(38):
        spool.append(b"x" * 49).result(5)
    spool.stop()
    assert [path.stat().st_size for path in sorted(tmp_path.glob("*.seg"))] == [100, 800, 800, 200]


def test_a_small_segment_waits_for_the_one_that_is_being_stored(tmp_path: Path) -> None:
    """An insert costs the same for a few spans as for thousands: two small ones at once would cost twice."""
    spool = Spool(tmp_path, Limits(segment_bytes=10_000, segment_age_s=0.2), in_flight=2)
    spool.append(b"first").result(5)
    while not spool.closed:
        pass
    first = spool.claim()
    assert first is not None
    for _ in range(4):
        spool.append(b"more").result(5)
        time.sleep(0.06)
    assert list(spool.closed) == [first]
    spool.done(first)
    while not spool.closed:
        pass
    assert requests(spool.closed[0].read_bytes())[0] == [b"more"] * 4
    spool.stop()


def test_a_segment_grows_to_twice_its_size_beside_one_that_is_being_stored_and_closes_after_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Limits(segment_bytes=100, segment_age_s=60), in_flight=2)
    for _ in range(20):
        spool.append(b"x" * 49).result(5)
    assert [path.stat().st_size for path in spool.closed] == [100, 200]
    for path in list(spool.closed):
        spool.done(path)
    while not spool.closed:
        pass
    assert [path.stat().st_size for path in spool.closed] == [700]
    spool.stop()


def test_several_in_flight_each_have_a_segment_of_their_own_oldest_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Limits(segment_bytes=10, segment_age_s=60), in_flight=2)
    for number in range(3):
        spool.append(b"%d" % number * 200).result(5)
    while len(spool.closed) < 3:
        pass
    first, second, third = spool.claim(), spool.claim(), spool.claim()
    assert [first, second, third] == list(spool.closed)
    assert spool.claim() is None
    mark = spool.seal()
    assert second is not None
    spool.done(second)
    assert not spool.stored(mark)
    for path in (first, third):
        assert path is not None
        spool.done(path)
    assert spool.stored(mark)
    assert spool.empty
    spool.stop()


def test_what_an_earlier_process_left_is_found_in_order_and_cut_to_what_was_acknowledged(tmp_path: Path) -> None:
    (tmp_path / "000000000009.seg").write_bytes(delimited([b"a"]))
    (tmp_path / "000000000010.seg").write_bytes(delimited([b"b", b"torn"])[:-2])
    spool = Spool(tmp_path, SLOW)
    assert [p.name for p in spool.closed] == ["000000000009.seg", "000000000010.seg"]
    assert read(tmp_path) == [b"a", b"b"]
    assert (tmp_path / "000000000010.seg").read_bytes() == delimited([b"b"])
    spool.append(b"c").result(5)
    spool.stop()
    assert read(tmp_path) == [b"a", b"b", b"c"]


def test_full_is_refused_and_taken_again_when_there_is_room(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Limits(max_bytes=100, segment_age_s=0.01))
    spool.append(b"x" * 80).result(5)
    with pytest.raises(SpoolFull, match="holds 81 bytes"):
        spool.append(b"x" * 80)
    while not spool.closed:
        pass
    spool.done(spool.closed[0])
    assert spool.empty
    assert spool.bytes == 0
    spool.append(b"x" * 80).result(5)
    spool.stop()


def test_a_full_disk_is_refused_and_nothing_torn_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills in the middle of a write: half of the bytes are there."""
    spool = Spool(tmp_path, SLOW)
    spool.append(b"before").result(5)
    real = os.write

    def half(file: int, data: memoryview) -> int:
        real(file, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("leyden_collector.spool.os.write", half)
    with pytest.raises(SpoolFull, match="No space left on device; retry"):
        spool.append(b"lost").result(5)
    monkeypatch.undo()
    spool.append(b"after").result(5)
    spool.stop()
    assert read(tmp_path) == [b"before", b"after"]
    assert spool.bytes == len(delimited([b"before", b"after"]))


@pytest.mark.parametrize("failing", ["open", "fsync"])
def test_a_segment_that_cannot_be_begun_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    spool = Spool(tmp_path, Limits(segment_bytes=1, segment_age_s=60))
    spool.append(b"first, and long").result(5)
    while not spool.closed:
        pass

    def fails(*args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"leyden_collector.spool.os.{failing}", fails)
    with pytest.raises(SpoolFull):
        spool.append(b"lost").result(5)
    monkeypatch.undo()
    spool.append(b"x").result(5)
    spool.stop()
    assert read(tmp_path) == [b"first, and long", b"x"]


def test_a_request_whose_sender_went_away_harms_no_other(tmp_path: Path) -> None:
    spool = Spool(tmp_path, SLOW)
    with spool._wake:  # the writer is held up, so that the request still waits
        gone, kept = spool.append(b"gone"), spool.append(b"kept")
        assert gone.cancel()
    kept.result(5)
    spool.append(b"more").result(5)
    spool.stop()
    assert read(tmp_path) == [b"kept", b"more"]
    assert spool.bytes == len(delimited([b"kept", b"more"]))


def test_a_mark_is_passed_when_what_came_before_it_is_stored(tmp_path: Path) -> None:
    spool = Spool(tmp_path, SLOW)
    assert spool.stored(spool.seal())
    spool.append(b"x").result(5)
    mark = spool.seal()
    while not spool.closed:
        pass
    spool.append(b"later").result(5)
    assert not spool.stored(mark)
    spool.done(spool.closed[0])
    assert spool.stored(mark)
    assert not spool.empty
    spool.stop()


def test_stopped_takes_no_more(tmp_path: Path) -> None:
    spool = Spool(tmp_path, SLOW)
    spool.stop()
    with pytest.raises(SpoolFull, match="stopping"):
        spool.append(b"x")


def test_two_collectors_do_not_share_a_folder(tmp_path: Path) -> None:
    spool = Spool(tmp_path, SLOW)
    with pytest.raises(StoreError, match="another collector uses the spool"):
        Spool(tmp_path, SLOW)
    spool.stop()
    Spool(tmp_path, SLOW).stop()


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot use .* as a spool: .*; choose another with --spool"):
        Spool(tmp_path / "file", SLOW)

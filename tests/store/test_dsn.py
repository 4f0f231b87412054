"""A DSN says where the store is, or one line says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from leyden_store.dsn import Embedded, Server, parse
from leyden_store.errors import DsnInvalid


@pytest.mark.parametrize(
    ("dsn", "meant"),
    [
        ("chdb:///data/store", Embedded(Path("/data/store"))),
        ("chdb:///data/a%20b", Embedded(Path("/data/a b"))),
        ("clickhouse://host", Server("host", 8123, "default", "default", "", False)),
        ("clickhouses://host", Server("host", 8443, "default", "default", "", True)),
        ("clickhouse://u:p@host:9/db", Server("host", 9, "db", "u", "p", False)),
        ("clickhouse://u:p%40%2F@[::1]:9/db/", Server("::1", 9, "db", "u", "p@/", False)),
    ],
)
def test_a_dsn_is_read(dsn: str, meant: Embedded | Server) -> None:
    assert parse(dsn) == meant


def test_a_relative_folder_is_one_of_the_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("chdb://here/store") == Embedded(tmp_path / "here" / "store")


def test_none_means_the_environment_then_the_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEYDEN_STORE", "clickhouse://host")
    assert isinstance(parse(None), Server)
    monkeypatch.delenv("LEYDEN_STORE")
    assert parse(None) == Embedded(tmp_path / ".leyden" / "store")


def test_a_folder_with_signs_of_a_url_in_its_name_is_that_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LEYDEN_STORE", raising=False)
    odd = tmp_path / "a#b?c%20d"
    odd.mkdir()
    monkeypatch.chdir(odd)
    assert parse(None) == Embedded(odd / ".leyden" / "store")


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("postgres://host/db", "is no DSN"),
        ("./store", "is no DSN"),
        ("chdb://", "names no folder"),
        ("chdb:///", "names no folder"),
        ("clickhouse:///db", "names no host"),
        ("clickhouse://host:port", "no usable port"),
        ("clickhouse://host:99999", "no usable port"),
        ("clickhouse://[::1", "is no DSN"),
        ("chdb:///data/store?readonly=1", "takes no options"),
        ("clickhouse://host/db?secure=1", "takes no options"),
        ("clickhouse://host/a/b", "more than one database"),
    ],
)
def test_what_is_no_dsn_is_refused_in_one_line(dsn: str, said: str) -> None:
    with pytest.raises(DsnInvalid, match=said) as caught:
        parse(dsn)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dsn", ["http://u:secret@host", "clickhouse://u:secret@host:port", "clickhouse://u:secret@"])
def test_a_password_is_never_said(dsn: str) -> None:
    with pytest.raises(DsnInvalid) as caught:
        parse(dsn)
    assert "secret" not in str(caught.value)

"""`leyden store policy` says what it would run, and where it cannot."""

from __future__ import annotations

from tests.support.cli import Cli


def test_the_sql_and_the_file_are_printed_and_an_embedded_store_is_refused(cli: Cli) -> None:
    asked = ("store", "policy", "--project", "shop", "--user", "reader")
    assert "GRANT SELECT ON `default`.`rewards` TO `reader`;" in cli(*asked, "--print").stdout
    assert "<rewards><filter>Project = 'shop'</filter></rewards>" in cli(*asked, "--xml").stdout
    assert "no users of its own" in cli.refused(*asked)

"""`leyden prompt`: saved, shown, labelled and deleted from the command line."""

from __future__ import annotations

from tests.support.cli import Cli


def test_a_prompts_life(empty: Cli) -> None:
    (empty.folder / "support.txt").write_text("Answer {{customer}}.\n")
    said = empty("prompt", "save", "support", "--text", "@support.txt", "--description", "short").stdout
    assert said == "saved support  version 1  production  short  takes customer\n"
    (saved,) = empty.lines("prompt", "save", "support", "--text", "Answer kindly.", "--label", "trial", "--json")
    assert (saved["version"], saved["labels"], saved["variables"]) == (2, ["trial"], [])
    empty("prompt", "label", "support", "production", "2")
    (shown,) = empty.lines("prompt", "show", "support", "--json")
    assert (shown["version"], shown["labels"], shown["versions"]) == (2, ["production", "trial"], [1, 2])
    assert next((move["label"], move["version"]) for move in shown["label_moves"]) == ("production", 2)
    told = empty("prompt", "show", "support@1").stdout
    assert told.endswith("\n\nAnswer {{customer}}.\n\n")
    assert [one["version"] for one in empty.lines("prompt", "list", "--json")] == [2]
    empty("prompt", "delete", "support")
    assert empty("prompt", "list").stdout == ""


def test_what_cannot_be_done_is_said_in_a_line(empty: Cli) -> None:
    assert "no prompt is called 'support'" in empty.refused("prompt", "show", "support")
    assert "cannot read the prompt from none.txt" in empty.refused("prompt", "save", "p", "--text", "@none.txt", code=2)
    assert "is no prompt's name" in empty.refused("prompt", "save", "a b", "--text", "x", code=2)

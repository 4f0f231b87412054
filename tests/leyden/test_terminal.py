"""Text of spans in a terminal is shown, never obeyed, and taken literally."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys

import pytest

from leyden.terminal import visible
from leyden_store.lightning import LightningStore
from tests.support.cli import Cli
from tests.support.otlp_making import chat, put

TRACE = f"{1:032x}"
HOSTILE = "a\x1b]0;title\x1b\\b\x1b[2Jc\x9b31md"
SHOWN = "a␛]0;title␛\\b␛[2Jc�31md"


@pytest.fixture
def hostile(empty: Cli) -> Cli:
    said = json.dumps(
        [{"role": "user", "parts": [{"type": "text", "content": f"hello {HOSTILE}"}]}], ensure_ascii=False
    )
    span = chat(
        1, trace=1, name=f"chat [/red] {HOSTILE}", status="Error", status_message=HOSTILE,
        attributes={"gen_ai.input.messages": said, "session.id": f"[bold]s {HOSTILE}"},
    )  # fmt: skip
    with LightningStore.open(empty.env["LEYDEN_STORE"]) as store:
        put(store, [span])
    return empty


def in_a_terminal(cli: Cli, *command: str) -> str:
    """What a command sends to a real terminal that is 300 columns wide, less the colours that are ours."""
    ours, theirs = pty.openpty()
    env = cli.env | {"TERM": "xterm-256color", "COLUMNS": "300"}
    done = subprocess.Popen([sys.executable, "-m", "leyden", *command], cwd=cli.folder, env=env, stdout=theirs)
    os.close(theirs)
    sent = b""
    while piece := _read(ours):
        sent += piece
    os.close(ours)
    assert done.wait(60) == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", sent.decode().replace("\r\n", "\n"))


def _read(file: int) -> bytes:
    try:
        return os.read(file, 1 << 16)
    except OSError:  # the other side is closed
        return b""


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("traces", f"chat [/red] {SHOWN}"),
        ("sessions", f"[bold]s {SHOWN}"),
        (f"trace {TRACE}", f"chat [/red] {SHOWN}"),
        (f"trace {TRACE}", f"user: hello {SHOWN}"),
        ("search hello", "c�31md"),  # the message as it is stored: JSON
    ],
)
def test_control_characters_are_shown_as_pictures(hostile: Cli, command: str, shown: str) -> None:
    sent = in_a_terminal(hostile, *command.split())
    assert shown in sent
    assert re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", sent) == []


def test_brackets_in_names_are_no_markup(hostile: Cli) -> None:
    assert "chat [/red] a" in hostile("traces").stdout
    assert "[bold]s a" in hostile("sessions").stdout


def test_lines_and_tabs_stay() -> None:
    assert visible("a\tb\nc\0") == "a\tb\nc␀"

"""Real agents, which know nothing of Leyden, run under environment variables alone: the tree is the one a person would
draw, and the turns are what was said. The golden cases are `cases/*/{tree.txt, turns.json}`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from examples.replay.rules import text_of
from leyden_store.lightning import LightningStore
from leyden_store.turns import Turn
from tests.examples.recording import CASES, EXAMPLES, NINE, outline, read, run, said
from tests.support.collector import Collector
from tests.support.otlp_sink import OtlpSink

HERE = [name for name in NINE if name != "autogen_team"]
"""AutoGen needs a protobuf of its own: test_bundles.py has it."""


@pytest.mark.parametrize("name", HERE)
def test_the_tree_and_the_turns_are_those_a_person_would_draw(name: str, collector: Collector) -> None:
    recorded = run(EXAMPLES / name / "agent.py", collector.url)
    assert recorded.done.returncode == 0, recorded.done.stderr
    assert not re.search(r"leyden|Traceback", recorded.done.stderr)
    collector.flush()
    with LightningStore.open(collector.dsn) as store:
        trees, turns = read(store, recorded.rollout_id)
    assert len(trees) == 1
    assert outline(trees) == (CASES / name / "tree.txt").read_text()
    assert said(turns) == json.loads((CASES / name / "turns.json").read_text())
    assert [texts(turn) for turn in turns] == [asked(body) for body in recorded.requests]
    assert {turn.group_id for turn in turns} == {"examples"}
    assert turns[-1].response is not None
    assert str(turns[-1].response["content"]) in recorded.done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
def test_one_switch_keeps_all_content_out(name: str) -> None:
    with OtlpSink() as sink:
        recorded = run(EXAMPLES / name / "agent.py", sink.url, LEYDEN_CAPTURE_CONTENT="false")
        assert recorded.done.returncode == 0, recorded.done.stderr
        assert len(sink.spans) >= 4
        sent = b"".join(sink.bodies)
    for secret in ("warmer", "Oslo", "9 °C", "17 * 23", "Answer questions", "token_ids"):
        assert secret.encode() not in sent
    assert not re.search(rb"(?<![0-9a-f])391(?![0-9a-f])", sent), "three digits may well stand within an id"


def texts(turn: Turn) -> list[str]:
    """The texts of a turn's prompt, in order, without tool calls and what is empty."""
    return [text for message in turn.messages if (text := text_of(message.get("content")))]


def asked(body: dict[str, Any]) -> list[str]:
    """The same, of the request that the model's server received, whichever API it speaks."""
    system = [text_of(body.get("instructions") or body.get("system") or "")]
    items = body.get("messages") or body["input"]
    parts = [part for item in items for part in _parts(item)]
    return [text for text in [*system, *parts] if text]


def _parts(item: dict[str, Any]) -> list[str]:
    content = item.get("content")
    if isinstance(content, list) and item.get("role") == "user":
        # Anthropic's results of several tools come in one message; each is a message to us.
        return [text_of(part) for part in content]
    return [text_of(item)]


def test_every_example_is_named_with_its_command() -> None:
    text = (EXAMPLES / "README.md").read_text()
    assert sorted([*NINE, "sql_agent"]) == sorted(p.parent.name for p in EXAMPLES.glob("*/agent.py"))
    assert "(sql_agent/README.md)" in text  # it is trained, not only recorded
    for name in NINE:
        assert f"python examples/{name}/agent.py" in text


def test_the_agents_know_nothing_of_leyden() -> None:
    for path in Path(EXAMPLES).glob("*/*.py"):
        if path.parent.name not in ("replay", "sql_agent") or path.name == "agent.py":
            assert not re.search(r"(import|from) (leyden|opentelemetry|openinference)", path.read_text()), path

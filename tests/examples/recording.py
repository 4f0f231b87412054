"""Running an agent recorded, against the replaying server and a real collector, and what the store then holds of it.

    python -m tests.examples.recording [EXAMPLE…]

writes the golden cases anew; what changed is then for a person to read.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.replay.server import ReplayServer
from leyden_instrumentation import environment
from leyden_store.lightning import LightningStore
from leyden_store.selection import Selection
from leyden_store.spans import Span
from leyden_store.tree import SpanTree
from leyden_store.turns import Message, Turn
from tests.support.collector import Collector

EXAMPLES = Path(__file__).parents[2] / "examples"
CASES = Path(__file__).parent / "cases"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NINE = (
    "tool_agent",
    "agents_handoff",
    "langgraph_agent",
    "langchain_agent",
    "autogen_team",
    "litellm_loop",
    "pydantic_ai_agent",
    "mcp_tools",
    "anthropic_loop",
)


@dataclass(frozen=True)
class Recorded:
    """What came of one run. requests: the bodies that the model's server received."""

    done: subprocess.CompletedProcess[str]
    rollout_id: str
    requests: list[dict[str, Any]]


def run(program: Path, endpoint: str, *, python: str = sys.executable, **settings: str) -> Recorded:
    """Run the program to its end as one rollout, by environment variables alone."""
    bare = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LEYDEN_", "TRACE", "PYTHONPATH"))}
    with ReplayServer() as server:
        env = environment(bare | server.env(), endpoint=endpoint, rollout_id=uuid.uuid4().hex, group_id="examples")
        done = subprocess.run(
            [python, str(program)], env=env | settings, capture_output=True, text=True, timeout=120, check=False
        )
        return Recorded(done, env["LEYDEN_ROLLOUT_ID"], server.requests)


def read(store: LightningStore, rollout_id: str) -> tuple[list[SpanTree], list[Turn]]:
    """The rollout's trees, one a trace, and its turns."""
    chosen = Selection(
        sql="SELECT DISTINCT TraceId FROM otel_traces WHERE SpanAttributes['leyden.rollout.id'] = {id:String}",
        parameters={"id": rollout_id},
    )
    traces = sorted({span.trace_id for span in store.spans(chosen)})
    return [store.trace(one) for one in traces], list(store.turns(chosen))


def outline(trees: list[SpanTree]) -> str:
    """The trees as a person would draw them: a line a span, its name and kind, under its parent; made-up ids as `*`."""
    lines = [f"{'  ' * depth}{span.name} [{kind(span)}]" for tree in trees for depth, span in tree.walk()]
    return _UUID.sub("*", "\n".join(lines)) + "\n"


def kind(span: Span) -> str:
    """What a span tells of, in the words of the convention that made it."""
    have = span.attributes
    return str(have.get("gen_ai.operation.name") or have.get("openinference.span.kind") or "-")


def said(turns: list[Turn]) -> list[dict[str, Any]]:
    """What was said in each turn, and whether it can be trained on exactly."""
    return [
        {
            "agent": turn.agent,
            "messages": [_message(m) for m in turn.messages],
            "response": _message(turn.response) if turn.response else None,
            "tools": [tool["function"]["name"] for tool in turn.tools],
            "finish_reason": turn.finish_reason,
            "token_ids": turn.prompt_token_ids is not None and turn.response_token_ids is not None,
        }
        for turn in turns
    ]


def _message(message: Message) -> dict[str, Any]:
    return {k: v for k, v in message.items() if v not in (None, [], "")}


def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, Collector(f"chdb://{folder}/store", Path(folder)) as collector:
        for name in names or [n for n in NINE if n != "autogen_team"]:
            recorded = run(EXAMPLES / name / "agent.py", collector.url)
            collector.flush()
            with LightningStore.open(collector.dsn) as store:
                trees, turns = read(store, recorded.rollout_id)
            write(name, trees, turns)
            print(name, recorded.done.stdout, recorded.done.stderr)


def write(name: str, trees: list[SpanTree], turns: list[Turn]) -> None:
    """Make the golden case of one agent anew."""
    (CASES / name).mkdir(parents=True, exist_ok=True)
    (CASES / name / "tree.txt").write_text(outline(trees))
    text = json.dumps(said(turns), ensure_ascii=False, indent=1)
    (CASES / name / "turns.json").write_text(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])

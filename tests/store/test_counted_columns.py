"""What dashboards count by stands in columns, whatever the convention; in rows from before them too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leyden_store import sql
from leyden_store.definitions import definitions
from leyden_store.lightning import LightningStore
from leyden_store.spans import AttributeValue, Span
from tests.support.otlp_making import make, put

COLUMNS = (
    "ToolName", "CachedTokens", "ReasoningTokens", "RecordedCost", "FinishReasons", "PromptName", "PromptVersion",
)  # fmt: skip
NOTHING = {
    "ToolName": "", "CachedTokens": 0, "ReasoningTokens": 0, "RecordedCost": None, "FinishReasons": "",
    "PromptName": "", "PromptVersion": "",
}  # fmt: skip
TOOL: dict[str, AttributeValue] = {"gen_ai.operation.name": "execute_tool"}
CALL: dict[str, AttributeValue] = {
    "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50,
}  # fmt: skip

SAID: list[tuple[dict[str, AttributeValue], dict[str, Any]]] = [
    (TOOL | {"gen_ai.tool.name": "search", "tool.name": "other"}, {"ToolName": "search"}),
    (TOOL | {"tool.name": "search"}, {"ToolName": "search"}),
    ({"traceloop.span.kind": "tool", "traceloop.entity.name": "search"}, {"ToolName": "search"}),
    (TOOL, {"ToolName": "span 1"}),
    ({"gen_ai.tool.name": "search"}, {"ToolName": ""}),
    *((CALL | {key: 40}, {"CachedTokens": 40}) for key in (
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read", "ai.usage.cachedInputTokens")),
    (CALL | {"gen_ai.usage.cache_read.input_tokens": 400}, {"CachedTokens": 100}),
    *((CALL | {key: 30}, {"ReasoningTokens": 30}) for key in (
        "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens", "llm.token_count.completion_details.reasoning",
        "ai.usage.reasoningTokens")),
    (CALL | {"gen_ai.usage.reasoning_tokens": 400}, {"ReasoningTokens": 50}),
    *((CALL | {key: 0.25}, {"RecordedCost": 0.25}) for key in ("leyden.cost", "gen_ai.usage.cost", "llm.cost.total")),
    (CALL | {"leyden.cost": "unknown", "llm.cost.total": 0.5}, {"RecordedCost": 0.5}),
    (CALL | {"leyden.cost": 0}, {"RecordedCost": 0.0}),
    (CALL | {"gen_ai.response.finish_reasons": ["stop"]}, {"FinishReasons": '["stop"]'}),
    (CALL | {"ai.response.finishReason": "stop"}, {"FinishReasons": "stop"}),
    (CALL | {"gen_ai.prompt.name": "solve", "leyden.prompt.version": 3}, {"PromptName": "solve", "PromptVersion": "3"}),
]  # fmt: skip


def counted(store: LightningStore) -> list[dict[str, Any]]:
    return store.connection.rows(f"SELECT {', '.join(COLUMNS)} FROM otel_traces FINAL ORDER BY TraceId")


def spans() -> list[Span]:
    return [make(1, trace=n, attributes=said) for n, (said, _) in enumerate(SAID, 1)]


EXPECTED = [NOTHING | expected for _, expected in SAID]


def test_every_convention_is_counted_in_the_same_columns(store: LightningStore) -> None:
    put(store, spans(), spans())
    assert counted(store) == EXPECTED


def test_they_are_no_part_of_what_is_exported(store: LightningStore) -> None:
    put(store, spans())
    (table,) = store.span_tables()
    assert not set(COLUMNS) & set(table.column_names)


def test_a_store_from_before_has_them_for_its_spans_and_for_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its landing table is that of then; a later change of any definition widens it."""
    dsn = f"chdb://{tmp_path}/store"
    earlier = [migration for migration in sql.migrations() if migration[0] < 23]
    with monkeypatch.context() as then:
        then.setattr(sql, "migrations", lambda: earlier)
        with LightningStore.open(dsn) as store:
            put(store, spans()[:10])
    with LightningStore.open(dsn) as store:
        assert counted(store) == EXPECTED[:10]
        put(store, spans()[:20])
        assert counted(store) == EXPECTED[:20]
    monkeypatch.setattr(
        sql, "view_functions", lambda: [*FUNCTIONS, "CREATE OR REPLACE FUNCTION leyden_more AS (x) -> x"]
    )
    assert len(definitions()[0]) == len(FUNCTIONS) + 1
    with LightningStore.open(dsn) as store:
        put(store, spans())
        assert counted(store) == EXPECTED
        store.compact()
        assert counted(store) == EXPECTED


FUNCTIONS = sql.view_functions()

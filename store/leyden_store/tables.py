"""Which of the store's tables queries read."""

TABLES = frozenset({
    "otel_traces", "traces", "rewards", "runs", "datasets", "checkpoints", "otel_traces_trace_id_ts", "lineage",
    "run_metrics", "annotations", "otel_logs", "turn_costs", "model_prices",
})  # fmt: skip
"""What a selection may read."""

PROJECT_TABLES = frozenset({
    "otel_traces", "traces", "rewards", "runs", "datasets", "checkpoints", "annotations",
    "otel_logs",
})  # fmt: skip
"""Those whose rows say their project; a selection kept to one project reads no others."""

-- Rewards: one row a score, from spans (gen_ai.evaluation.result) by the view, from outside through the API.
-- A rollout's reward has no SpanId of an LLM span; the reader decides by the tree. The newest of a key wins.

CREATE TABLE IF NOT EXISTS rewards
(
    Project     LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
    RolloutId   String CODEC(ZSTD(1)),
    TraceId     String CODEC(ZSTD(1)),
    SpanId      String CODEC(ZSTD(1)),
    ResponseId  String CODEC(ZSTD(1)),
    Name        LowCardinality(String) CODEC(ZSTD(1)),
    Source      LowCardinality(String) CODEC(ZSTD(1)),
    Value       Float64 CODEC(ZSTD(1)),
    Label       String CODEC(ZSTD(1)),
    Explanation String CODEC(ZSTD(1)),
    Timestamp   DateTime64(9) CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(Timestamp)
ORDER BY (Project, RolloutId, TraceId, SpanId, ResponseId, Name, Source)
SETTINGS non_replicated_deduplication_window = 1000;

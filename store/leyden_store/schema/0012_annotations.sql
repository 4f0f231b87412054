-- What people say of spans and rollouts beside scores: comments, and corrections (the reply as it should have been).
-- Scores are rows of `rewards` whose Source says who gave them. The newest of an id wins.

CREATE TABLE IF NOT EXISTS annotations
(
    Project      LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
    RolloutId    String CODEC(ZSTD(1)),
    TraceId      String CODEC(ZSTD(1)),
    SpanId       String CODEC(ZSTD(1)),
    Kind         LowCardinality(String) CODEC(ZSTD(1)),
    AnnotationId String CODEC(ZSTD(1)),
    Author       LowCardinality(String) CODEC(ZSTD(1)),
    Text         String CODEC(ZSTD(1)),
    Timestamp    DateTime64(9) CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(Timestamp)
ORDER BY (Project, RolloutId, TraceId, SpanId, Kind, AnnotationId);

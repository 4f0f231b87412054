-- Log records: GenAI's events, a span's content told beside it. The OpenTelemetry ClickHouse exporter's columns with its
-- names, then ours. They join their span by (TraceId, SpanId) when it is read, whichever came first and however late.
--
-- A record has no id: two are the same when all they say is, which RecordHash stands for. Retries fold away in merges;
-- readers deduplicate by the whole key. Ordered by trace, because a trace's records are asked for whatever their time.

CREATE TABLE IF NOT EXISTS otel_logs
(
    Timestamp          DateTime64(9) CODEC(Delta, ZSTD(1)),
    TraceId            String CODEC(ZSTD(1)),
    SpanId             String CODEC(ZSTD(1)),
    TraceFlags         UInt32 CODEC(ZSTD(1)),
    SeverityText       LowCardinality(String) CODEC(ZSTD(1)),
    SeverityNumber     Int32 CODEC(ZSTD(1)),
    ServiceName        LowCardinality(String) CODEC(ZSTD(1)),
    Body               String CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName          String CODEC(ZSTD(1)),
    ScopeVersion       String CODEC(ZSTD(1)),
    LogAttributes      Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    EventName          LowCardinality(String) CODEC(ZSTD(1)),

    Project            LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
    RolloutId          String CODEC(ZSTD(1)),
    BodyType           LowCardinality(String) CODEC(ZSTD(1)),
    LogAttributeTypes  Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    RecordHash         UInt128 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(Timestamp)
ORDER BY (TraceId, SpanId, Timestamp, EventName, RecordHash)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

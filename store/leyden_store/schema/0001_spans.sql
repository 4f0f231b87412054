-- Spans: the OpenTelemetry ClickHouse exporter's columns with the exporter's names and types, so that Grafana's data
-- source and other tools read the table untouched, then typed columns of ours.
--
-- One trace is one granule: ordered by (project, hour, trace, span), partitioned by day. A retried export folds away in
-- merges; readers deduplicate by (TraceId, SpanId) because merges come later. A granule is 1 MiB, some 700 spans: a trace
-- by id takes half as long as with ClickHouse's ten. (Stores made before keep theirs: it is fixed when a table is made.)

CREATE TABLE IF NOT EXISTS otel_traces
(
    Timestamp          DateTime64(9) CODEC(Delta, ZSTD(1)),
    TraceId            String CODEC(ZSTD(1)),
    SpanId             String CODEC(ZSTD(1)),
    ParentSpanId       String CODEC(ZSTD(1)),
    TraceState         String CODEC(ZSTD(1)),
    SpanName           LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind           LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName        LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName          String CODEC(ZSTD(1)),
    ScopeVersion       String CODEC(ZSTD(1)),
    SpanAttributes     Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration           UInt64 CODEC(ZSTD(1)),
    StatusCode         LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage      String CODEC(ZSTD(1)),
    Events Nested
    (
        Timestamp  DateTime64(9),
        Name       LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested
    (
        TraceId    String,
        SpanId     String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),

    -- What a list, a filter or a chart asks for, whatever the dialect.
    Project        LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
    RolloutId      String CODEC(ZSTD(1)),
    GroupId        String CODEC(ZSTD(1)),
    Attempt        Nullable(Int32) CODEC(ZSTD(1)),
    SessionId      String CODEC(ZSTD(1)),
    PolicyVersion  LowCardinality(String) CODEC(ZSTD(1)),
    Operation      LowCardinality(String) CODEC(ZSTD(1)),
    Model          LowCardinality(String) CODEC(ZSTD(1)),
    AgentName      LowCardinality(String) CODEC(ZSTD(1)),
    InputTokens    UInt32 CODEC(ZSTD(1)),
    OutputTokens   UInt32 CODEC(ZSTD(1)),

    -- Token arrays, exact as sent; empty where the capture has none.
    PromptTokenIds   Array(Int32) CODEC(ZSTD(1)),
    ResponseTokenIds Array(Int32) CODEC(ZSTD(1)),
    ResponseLogprobs Array(Float64) CODEC(ZSTD(1)),

    -- Attributes too heavy to sit beside the small ones (messages, tool schemas and results, anything long):
    -- reading one small key from a map that also holds messages costs two hundred times as much.
    Content Map(LowCardinality(String), String) CODEC(ZSTD(1)),

    -- The OTLP type (int_value, bool_value, …; absent for an empty value) of every attribute that is no string, so that
    -- 0, false and [] come back as they were sent.
    SpanAttributeTypes     Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    ResourceAttributeTypes Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    EventAttributeTypes    Array(Map(LowCardinality(String), LowCardinality(String))) CODEC(ZSTD(1)),
    LinkAttributeTypes     Array(Map(LowCardinality(String), LowCardinality(String))) CODEC(ZSTD(1)),
    DroppedAttributes      UInt32 CODEC(ZSTD(1)),

    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_rollout_id RolloutId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (Project, toStartOfHour(Timestamp), TraceId, SpanId)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000,
    index_granularity_bytes = 1048576;

-- When a trace was: what Grafana's data source reads to find a trace by id without a scan. Single rows are looked for here
-- and in the summary below, so a granule is 2048 rows, not ClickHouse's 8192.
CREATE TABLE IF NOT EXISTS otel_traces_trace_id_ts
(
    TraceId String CODEC(ZSTD(1)),
    Start   SimpleAggregateFunction(min, DateTime64(9)) CODEC(Delta, ZSTD(1)),
    End     SimpleAggregateFunction(max, DateTime64(9)) CODEC(Delta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toMonday(Start)
ORDER BY TraceId
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000, index_granularity = 2048;

-- One row a trace for lists. Every column is idempotent under retries: min, max, uniq, argMin; sums are not.
CREATE TABLE IF NOT EXISTS traces
(
    Project     LowCardinality(String) CODEC(ZSTD(1)),
    Hour        DateTime CODEC(Delta, ZSTD(1)),
    TraceId     String CODEC(ZSTD(1)),
    Start       SimpleAggregateFunction(min, DateTime64(9)) CODEC(ZSTD(1)),
    End         SimpleAggregateFunction(max, DateTime64(9)) CODEC(ZSTD(1)),
    RootName    AggregateFunction(argMin, String, Tuple(UInt8, DateTime64(9))) CODEC(ZSTD(1)),
    ServiceName AggregateFunction(argMin, String, Tuple(UInt8, DateTime64(9))) CODEC(ZSTD(1)),
    RolloutId   SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    GroupId     SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    SessionId   SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    AgentName   SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    Spans       AggregateFunction(uniq, String) CODEC(ZSTD(1)),
    LlmSpans    AggregateFunction(uniqIf, String, UInt8) CODEC(ZSTD(1)),
    Errors      AggregateFunction(uniqIf, String, UInt8) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toMonday(Hour)
ORDER BY (Project, Hour, TraceId)
SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 2048;

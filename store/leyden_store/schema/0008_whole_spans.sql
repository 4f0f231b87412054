-- What of a span had no place yet, so that an export gives back what was sent; who used the agent; what lists filter by;
-- and what was erased or is kept for a time only.

ALTER TABLE otel_traces
    ADD COLUMN IF NOT EXISTS UserId                    String CODEC(ZSTD(1)) AFTER SessionId,
    ADD COLUMN IF NOT EXISTS Flags                     UInt32 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS DroppedEvents             UInt32 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS DroppedLinks              UInt32 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS EventDroppedAttributes    Array(UInt32) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS LinkDroppedAttributes     Array(UInt32) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS LinkFlags                 Array(UInt32) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS ScopeAttributes           Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS ScopeAttributeTypes       Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS ScopeDroppedAttributes    UInt32 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS ScopeSchemaUrl            LowCardinality(String) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS ResourceDroppedAttributes UInt32 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS ResourceSchemaUrl         LowCardinality(String) CODEC(ZSTD(1));

-- Sets grow the same whether a span comes once or twice.
ALTER TABLE traces
    ADD COLUMN IF NOT EXISTS UserId   SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS Agents   SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS Models   SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS HasError SimpleAggregateFunction(max, UInt8) CODEC(ZSTD(1)),
    ADD INDEX IF NOT EXISTS idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1;

-- Traces from before know their agent; their models are read from the spans once.
INSERT INTO traces (Project, Hour, TraceId, Start, End, Agents, Models, HasError)
SELECT Project, toStartOfHour(Timestamp), TraceId, min(Timestamp), max(addNanoseconds(Timestamp, Duration)),
       groupUniqArrayIf(CAST(AgentName, 'String'), AgentName != ''), groupUniqArrayIf(CAST(Model, 'String'), Model != ''),
       max(StatusCode = 'Error')
FROM otel_traces
GROUP BY Project, toStartOfHour(Timestamp), TraceId;

-- What was erased, as hashes: spans of it that come late are stored nowhere. Kind: trace, rollout or session.
CREATE TABLE IF NOT EXISTS tombstones
(
    Kind     LowCardinality(String),
    Hash     UInt64, -- sipHash64 of the id: the id itself is erased too
    ErasedAt DateTime64(3)
)
ENGINE = ReplacingMergeTree(ErasedAt)
ORDER BY (Kind, Hash);

-- How many spans came after they had been erased, by day.
CREATE TABLE IF NOT EXISTS erased_arrivals
(
    Project LowCardinality(String) CODEC(ZSTD(1)),
    Day     Date CODEC(ZSTD(1)),
    Spans   SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY (Project, Day)
SETTINGS non_replicated_deduplication_window = 1000;

-- How long a project's spans are kept; 0 days is for ever. The newest of a project wins.
CREATE TABLE IF NOT EXISTS retention
(
    Project LowCardinality(String),
    Days    UInt32,
    SetAt   DateTime64(3)
)
ENGINE = ReplacingMergeTree(SetAt)
ORDER BY Project;

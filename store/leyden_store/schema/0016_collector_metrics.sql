-- What collectors say of themselves, a sample of each of their metrics every while: the same numbers as /metrics, kept for
-- dashboards and alerts that read nothing but this database.

CREATE TABLE IF NOT EXISTS collector_metrics
(
    Timestamp DateTime64(3) CODEC(Delta, ZSTD(1)),
    Collector LowCardinality(String), -- host and process
    Name      LowCardinality(String),
    Labels    Map(LowCardinality(String), String),
    Value     Float64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (Name, Collector, Timestamp)
TTL toDate(Timestamp) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1;

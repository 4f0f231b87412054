-- What was erased, when, and who had used it: ids of data sets and runs, never of what was erased (that is a hash).

CREATE TABLE IF NOT EXISTS erasures
(
    ErasedAt DateTime64(6),
    Kind     LowCardinality(String),
    Hash     UInt64,
    Traces   UInt64,
    Spans    UInt64,
    Datasets Array(String),
    Runs     Array(String)
)
ENGINE = MergeTree
ORDER BY ErasedAt;

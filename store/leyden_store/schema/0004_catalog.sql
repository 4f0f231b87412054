-- What people make from traces: saved queries, data sets, training runs, checkpoints. Rows are appended; the newest wins.

CREATE TABLE IF NOT EXISTS saved_queries
(
    Project     LowCardinality(String) DEFAULT 'default',
    Name        String,
    Version     UInt32,
    Sql         String,
    Description String,
    Owner       String,
    CreatedAt   DateTime64(3),
    Deleted     Bool DEFAULT false
)
ENGINE = ReplacingMergeTree(CreatedAt)
ORDER BY (Project, Name, Version);

CREATE TABLE IF NOT EXISTS datasets
(
    Project      LowCardinality(String) DEFAULT 'default',
    DatasetId    String,
    Format       LowCardinality(String),
    Path         String,
    Query        String,
    QueryVersion UInt32,
    Sql          String,
    Rows         UInt64,
    Spans        UInt64,
    Sha256       String,
    Report       String CODEC(ZSTD(1)),
    CreatedAt    DateTime64(3)
)
ENGINE = ReplacingMergeTree(CreatedAt)
ORDER BY (Project, DatasetId);

CREATE TABLE IF NOT EXISTS runs
(
    Project      LowCardinality(String) DEFAULT 'default',
    RunId        String,
    Trainer      LowCardinality(String),
    Status       LowCardinality(String),
    Query        String,
    QueryVersion UInt32,
    Sql          String,
    Model        String,
    Config       String CODEC(ZSTD(1)),
    Report       String CODEC(ZSTD(1)),
    Spans        UInt64,
    SpansHash    String,
    Checkpoint   String,
    Metrics      String CODEC(ZSTD(1)),
    Error        String,
    CodeVersion  String,
    StartedAt    DateTime64(3),
    EndedAt      Nullable(DateTime64(3)),
    UpdatedAt    DateTime64(6)
)
ENGINE = ReplacingMergeTree(UpdatedAt)
ORDER BY (Project, RunId);

-- The spans a run or a data set was made of: lineage, both ways.
CREATE TABLE IF NOT EXISTS lineage
(
    Kind      LowCardinality(String),
    SubjectId String,
    TraceId   String,
    SpanId    String,
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (Kind, SubjectId, TraceId, SpanId);

CREATE TABLE IF NOT EXISTS run_metrics
(
    RunId     String,
    Step      UInt32,
    Name      LowCardinality(String),
    Value     Float64,
    Timestamp DateTime64(3)
)
ENGINE = ReplacingMergeTree(Timestamp)
ORDER BY (RunId, Name, Step);

CREATE TABLE IF NOT EXISTS checkpoints
(
    Project       LowCardinality(String) DEFAULT 'default',
    CheckpointId  String,
    RunId         String,
    Path          String,
    Sha256        String,
    PolicyVersion String,
    CreatedAt     DateTime64(3)
)
ENGINE = ReplacingMergeTree(CreatedAt)
ORDER BY (Project, CheckpointId);

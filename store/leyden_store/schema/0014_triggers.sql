-- Triggers: when a saved query's rollouts are to be trained on, and what came of each time. Rows are appended; the newest wins.

CREATE TABLE IF NOT EXISTS triggers
(
    Project    LowCardinality(String) DEFAULT 'default',
    Name       String,
    Definition String CODEC(ZSTD(1)), -- JSON
    Deleted    Bool DEFAULT false,
    UpdatedAt  DateTime64(6)
)
ENGINE = ReplacingMergeTree(UpdatedAt)
ORDER BY (Project, Name);

CREATE TABLE IF NOT EXISTS trigger_firings
(
    Project     LowCardinality(String) DEFAULT 'default',
    Trigger     String,
    FiringId    String,
    Status      LowCardinality(String),
    Facts       String CODEC(ZSTD(1)), -- JSON: what the condition was judged by
    RunId       String,
    Checkpoint  String,
    Promoted    Bool,
    Note        String,
    Rollouts    Array(UInt64) CODEC(ZSTD(1)), -- hashes of the rollouts selected then: what is new since
    StartedAt   DateTime64(6),
    HeartbeatAt DateTime64(6),
    EndedAt     Nullable(DateTime64(6)),
    UpdatedAt   DateTime64(6)
)
ENGINE = ReplacingMergeTree(UpdatedAt)
ORDER BY (Project, Trigger, FiringId);

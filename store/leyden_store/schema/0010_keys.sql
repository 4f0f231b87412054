-- Who may ask, and who asked: API keys (never the keys themselves) and the audit log. Rows are appended; of a key the
-- newest wins. Neither table is open to readers of the gateway or of saved queries.

CREATE TABLE IF NOT EXISTS api_keys
(
    KeyId     String,
    Name      String,
    Sha256    String,
    Scopes    Array(LowCardinality(String)),
    Project   String, -- '' is every project
    CreatedAt DateTime64(3),
    RevokedAt Nullable(DateTime64(3)),
    UpdatedAt DateTime64(6)
)
ENGINE = ReplacingMergeTree(UpdatedAt)
ORDER BY KeyId;

CREATE TABLE IF NOT EXISTS audit_log
(
    At      DateTime64(6) CODEC(Delta, ZSTD(1)),
    Id      String CODEC(ZSTD(1)), -- with At, the order of entries
    KeyId   LowCardinality(String) CODEC(ZSTD(1)), -- 'holder' is the collector's own token, '' a command on the store
    Name    LowCardinality(String) CODEC(ZSTD(1)),
    Action  LowCardinality(String) CODEC(ZSTD(1)),
    Subject String CODEC(ZSTD(1)),
    Project LowCardinality(String) CODEC(ZSTD(1)),
    Rows    UInt64 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(At)
ORDER BY (At, Id);

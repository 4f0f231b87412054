-- What a run tells while it trains, so that one whose process died is seen; and what is known of a checkpoint, whose State is
-- kept, promoted or pruned.

ALTER TABLE runs
    ADD COLUMN IF NOT EXISTS Out           String DEFAULT '',         -- where its checkpoint goes
    ADD COLUMN IF NOT EXISTS PolicyVersion String DEFAULT '',         -- its checkpoint's
    ADD COLUMN IF NOT EXISTS RowsHash      String DEFAULT '',         -- SHA-256 of the rows it trains on
    ADD COLUMN IF NOT EXISTS Seed          Int64 DEFAULT 0,
    ADD COLUMN IF NOT EXISTS Progress      Float32 DEFAULT 0,         -- share of its steps that are done
    ADD COLUMN IF NOT EXISTS HeartbeatAt   DateTime64(3) DEFAULT UpdatedAt;

ALTER TABLE checkpoints
    ADD COLUMN IF NOT EXISTS Bytes   UInt64 DEFAULT 0,
    ADD COLUMN IF NOT EXISTS Step    UInt32 DEFAULT 0,
    ADD COLUMN IF NOT EXISTS Metrics String DEFAULT '{}' CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS State   LowCardinality(String) DEFAULT 'kept';

ALTER TABLE trigger_firings ADD COLUMN IF NOT EXISTS PolicyVersion String DEFAULT '';

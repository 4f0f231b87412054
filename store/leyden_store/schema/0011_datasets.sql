-- What saved queries and data sets say beside their text: when a query was last used, what a data set's manifest holds.

CREATE TABLE IF NOT EXISTS query_uses
(
    Project LowCardinality(String) DEFAULT 'default',
    Name    String,
    Version UInt32,
    UsedFor LowCardinality(String),
    UsedAt  DateTime64(3)
)
ENGINE = ReplacingMergeTree(UsedAt)
ORDER BY (Project, Name, Version);

ALTER TABLE datasets ADD COLUMN IF NOT EXISTS Kind LowCardinality(String) DEFAULT 'file';

ALTER TABLE datasets ADD COLUMN IF NOT EXISTS Parameters String DEFAULT '{}' CODEC(ZSTD(1));

ALTER TABLE datasets ADD COLUMN IF NOT EXISTS SpansHash String DEFAULT '';

ALTER TABLE datasets ADD COLUMN IF NOT EXISTS Manifest String DEFAULT '' CODEC(ZSTD(1));

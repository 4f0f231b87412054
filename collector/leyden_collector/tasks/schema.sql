-- The task queue, one SQLite file beside the spool. Times are Unix seconds.
-- `state` and `ended_as` are the words of leyden_collector/tasks/words.py; JSON is text.

CREATE TABLE IF NOT EXISTS batches (
    batch_id   TEXT PRIMARY KEY,
    project    TEXT NOT NULL,
    queue      TEXT NOT NULL,
    policy     TEXT NOT NULL,
    timeout_s  REAL NOT NULL,
    lease_s    REAL NOT NULL,
    max_tries  INTEGER NOT NULL,
    created_at REAL NOT NULL,
    content    TEXT NOT NULL          -- SHA-256 of what was asked, to know the same request sent again
);

CREATE TABLE IF NOT EXISTS rollouts (
    number     INTEGER PRIMARY KEY,   -- the order in which they are given out
    batch_id   TEXT NOT NULL REFERENCES batches ON DELETE CASCADE,
    rollout_id TEXT NOT NULL,
    group_id   TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    task       TEXT NOT NULL,
    state      TEXT NOT NULL,
    tries      INTEGER NOT NULL DEFAULT 0,   -- how often it was leased
    lost       INTEGER NOT NULL DEFAULT 0,   -- how many of those leases expired
    worker     TEXT NOT NULL DEFAULT '',
    ended      INTEGER,               -- its place in the order in which the batch's ended
    output     TEXT,
    error      TEXT,
    UNIQUE (batch_id, rollout_id),
    UNIQUE (batch_id, ended)
);
CREATE INDEX IF NOT EXISTS rollouts_waiting ON rollouts (number) WHERE state = 'waiting';

CREATE TABLE IF NOT EXISTS leases (
    lease_id   TEXT PRIMARY KEY,
    number     INTEGER NOT NULL REFERENCES rollouts ON DELETE CASCADE,
    worker     TEXT NOT NULL,
    expires_at REAL NOT NULL,
    ended_as   TEXT NOT NULL          -- 'held' until it ends
);
CREATE INDEX IF NOT EXISTS leases_held ON leases (expires_at) WHERE ended_as = 'held';
CREATE INDEX IF NOT EXISTS leases_of_rollout ON leases (number);

CREATE TABLE IF NOT EXISTS counts (   -- since the file was made; batches are forgotten, these are not
    event TEXT PRIMARY KEY,
    n     INTEGER NOT NULL
);

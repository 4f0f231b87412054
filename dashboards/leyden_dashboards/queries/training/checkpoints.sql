-- Training, Checkpoints: a small table.
SELECT
    CreatedAt AS "Made",
    PolicyVersion AS "Policy version",
    RunId AS "Run",
    Path AS "Path",
    Sha256 AS "SHA-256"
FROM checkpoints FINAL
WHERE $__timeFilter(CreatedAt)
ORDER BY CreatedAt DESC, CheckpointId
LIMIT 200

-- Training, Saved queries: small tables.
SELECT
    q.Name AS "Query",
    max(q.Version) AS "Version",
    argMax(q.Description, q.Version) AS "What it selects",
    argMax(q.Owner, q.Version) AS "Owner",
    argMax(q.CreatedAt, q.Version) AS "Saved",
    any(r.runs) AS "Runs"
FROM saved_queries AS q FINAL
LEFT JOIN (SELECT Query, uniqExact(RunId) AS runs FROM runs FINAL GROUP BY Query) AS r ON r.Query = q.Name
WHERE NOT q.Deleted
GROUP BY q.Name
ORDER BY q.Name
LIMIT 200

-- Agents and tools, Tools by name.
SELECT
    ToolName AS "Tool",
    count() AS "Calls",
    countIf(StatusCode = 'Error') AS "Errors",
    "Errors" / "Calls" AS "Error rate",
    quantile(0.5)(Duration) / 1e9 AS "p50",
    quantile(0.95)(Duration) / 1e9 AS "p95",
    argMaxIf(StatusMessage, Timestamp, StatusCode = 'Error') AS "Latest error"
FROM otel_traces FINAL
PREWHERE {spans}
    AND Operation = 'execute_tool'
GROUP BY "Tool"
ORDER BY "Calls" DESC
LIMIT 200

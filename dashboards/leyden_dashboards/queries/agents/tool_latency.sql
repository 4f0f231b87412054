-- Agents and tools, Tool latency.
SELECT $__timeInterval(Timestamp) AS time, ToolName AS tool, quantile(0.95)(Duration) / 1e9 AS p95
FROM otel_traces FINAL
PREWHERE {spans}
    AND Operation = 'execute_tool'
GROUP BY time, tool
ORDER BY time, tool

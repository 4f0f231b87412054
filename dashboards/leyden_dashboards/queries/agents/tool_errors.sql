-- Agents and tools, Tool error rate.
SELECT $__timeInterval(Timestamp) AS time, ToolName AS tool, countIf(StatusCode = 'Error') / count() AS errors
FROM otel_traces FINAL
PREWHERE {spans}
    AND Operation = 'execute_tool'
GROUP BY time, tool
ORDER BY time, tool

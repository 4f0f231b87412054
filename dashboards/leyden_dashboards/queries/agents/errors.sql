-- Agents and tools, Latest errors.
SELECT
    Timestamp AS "Start",
    TraceId AS "Trace",
    ServiceName AS "Service",
    SpanName AS "Span",
    Operation AS "Operation",
    Model AS "Model",
    Duration / 1e9 AS "Duration",
    StatusMessage AS "Message"
FROM otel_traces FINAL
PREWHERE {spans}
    AND StatusCode = 'Error'
ORDER BY Timestamp DESC, SpanId
LIMIT 200

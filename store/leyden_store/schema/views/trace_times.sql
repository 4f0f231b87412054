-- When a trace was, kept by every insert of its spans.

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_trace_id_ts_mv TO otel_traces_trace_id_ts AS
SELECT TraceId, min(Timestamp) AS Start, max(addNanoseconds(Timestamp, Duration)) AS End
FROM otel_traces
WHERE TraceId != ''
GROUP BY TraceId, toMonday(Timestamp);

-- Every column of some traces' spans, deduplicated: the Parquet export. Keyed like spans.sql.
SELECT *
FROM otel_traces
WHERE TraceId IN splitByChar(',', {trace_ids:String})
  AND Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({end_ns:Int64})
ORDER BY TraceId, Timestamp, SpanId
LIMIT 1 BY TraceId, SpanId

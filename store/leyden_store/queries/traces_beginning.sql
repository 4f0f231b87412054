-- The traces whose id begins so, and when they were, as of trace.sql: for who gives but some of the digits.
SELECT
    TraceId AS rollout_id,
    [TraceId] AS trace_ids,
    toUnixTimestamp64Nano(min(Start)) AS start_ns,
    toUnixTimestamp64Nano(max(End)) AS end_ns
FROM otel_traces_trace_id_ts
WHERE startsWith(TraceId, {trace:String})
GROUP BY TraceId

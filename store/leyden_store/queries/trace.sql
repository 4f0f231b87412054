-- Traces by their id or the beginning of one, and when: not from the summary, which leaves training runs out.
SELECT
    TraceId AS rollout_id,
    [TraceId] AS trace_ids,
    toUnixTimestamp64Nano(min(Start)) AS start_ns,
    toUnixTimestamp64Nano(max(End)) AS end_ns
FROM otel_traces_trace_id_ts
WHERE startsWith(TraceId, {trace:String})
GROUP BY TraceId

-- A trace by its id, and when it was: not from the summary, which leaves training runs out. The index names the part that has it.
SELECT
    TraceId AS rollout_id,
    [TraceId] AS trace_ids,
    toUnixTimestamp64Nano(min(Start)) AS start_ns,
    toUnixTimestamp64Nano(max(End)) AS end_ns
FROM otel_traces_trace_id_ts
WHERE TraceId = {trace:String}
GROUP BY TraceId

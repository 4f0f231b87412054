-- Traces by their ids, one row each, the newest first: what lists show. Reads the summary, not the spans.
SELECT
    TraceId AS trace_id,
    any(Project) AS project,
    max(t.RolloutId) AS rollout_id,
    max(t.GroupId) AS group_id,
    max(t.SessionId) AS session_id,
    max(t.AgentName) AS agent,
    argMinMerge(t.ServiceName) AS service,
    argMinMerge(t.RootName) AS name,
    toUnixTimestamp64Nano(min(t.Start)) AS start_ns,
    toUnixTimestamp64Nano(max(t.End)) AS end_ns,
    uniqMerge(t.Spans) AS spans,
    uniqIfMerge(t.LlmSpans) AS llm_spans,
    uniqIfMerge(t.Errors) AS errors
FROM traces AS t
WHERE TraceId IN ({trace_ids})
GROUP BY TraceId
ORDER BY start_ns DESC, trace_id
LIMIT {limit:UInt64}

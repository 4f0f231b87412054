-- The chosen traces, a row each, from the summary `traces`: Hour is in its key. Grouped and joined by a hash of the id, which
-- takes half the time. The casts take SimpleAggregateFunction off, which is a type of its own to a client.
SELECT
    cityHash64(TraceId) AS trace,
    any(t.TraceId) AS trace_id,
    any(t.Project) AS project,
    toString(max(t.RolloutId)) AS rollout_id,
    toString(max(t.GroupId)) AS group_id,
    toString(max(t.SessionId)) AS session_id,
    {trace_agent} AS agent,
    argMinMerge(t.ServiceName) AS service,
    argMinMerge(t.RootName) AS name,
    CAST(min(t.Start), 'DateTime64(9)') AS start,
    CAST(max(t.End), 'DateTime64(9)') AS end,
    (toUnixTimestamp64Nano(end) - toUnixTimestamp64Nano(start)) / 1e9 AS seconds,
    uniqMerge(t.Spans) AS spans,
    uniqIfMerge(t.LlmSpans) AS llm_spans,
    uniqIfMerge(t.Errors) AS errors,
    CAST(groupUniqArrayArray(t.Models), 'Array(String)') AS models
FROM traces AS t
WHERE {hours}
    AND $__conditionalAll(Project IN (${project:singlequote}), $project)
    AND $__conditionalAll(TraceId IN (
        SELECT TraceId FROM otel_traces WHERE $__timeFilter(Timestamp) AND Model IN (${model:singlequote})
    ), $model)
GROUP BY trace
HAVING $__timeFilter(start)
    AND $__conditionalAll(service IN (${service:singlequote}), $service)
    AND $__conditionalAll(agent IN (${agent:singlequote}), $agent)
    AND $__conditionalAll(group_id IN (${group:singlequote}), $group)

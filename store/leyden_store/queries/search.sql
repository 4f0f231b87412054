-- Spans of a window whose text meets `{condition}`, newest first, with the text around the first word found. `{text}` is
-- what is searched (leyden_store/searching.py). The spans are chosen first, by key and condition alone; then their text is
-- read.
SELECT trace_id, span_id, project, rollout_id, session_id, agent, model, name, operation, start_ns, snippet
FROM
(
SELECT
    TraceId AS trace_id, SpanId AS span_id, Project AS project, RolloutId AS rollout_id, SessionId AS session_id,
    AgentName AS agent, Model AS model, SpanName AS name, Operation AS operation,
    toUnixTimestamp64Nano(Timestamp) AS start_ns,
    {text} AS searched,
    arrayMin(arrayMap(w -> if(position(searched, w) = 0, 1, position(searched, w)), {words:Array(String)})) AS at,
    trim(replaceRegexpAll(toValidUTF8(substring(searched, greatest(1, toInt64(at) - 60), 200)), '\\s+', ' ')) AS snippet
FROM otel_traces
WHERE ({condition})
  AND ({project:String} = '' OR Project = {project:String})
  AND Timestamp >= fromUnixTimestamp64Nano({low:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({last:Int64})
  AND (start_ns < {before_ns:Int64} OR (start_ns = {before_ns:Int64} AND concat(TraceId, SpanId) > {before_id:String}))
ORDER BY start_ns DESC, concat(TraceId, SpanId)
LIMIT 1 BY TraceId, SpanId
LIMIT {limit:UInt64}
)
ORDER BY start_ns DESC, concat(trace_id, span_id)

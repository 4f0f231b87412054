-- Traces, Traces found: the newest that match, by what the filters ask for, then the summary and the rewards of these alone.
WITH found AS
(
    SELECT t.trace AS trace FROM ({traces}) AS t
    WHERE $__conditionalAll(positionCaseInsensitiveUTF8(concat(t.name, ' ', t.trace_id, ' ', t.rollout_id, ' ', t.group_id, ' ', t.session_id), ${search:singlequote}) > 0, $search)
        AND $__conditionalAll(t.seconds >= toFloat64OrZero(${min_duration:singlequote}), $min_duration)
    ORDER BY t.start DESC, t.trace_id
    LIMIT 500
)
SELECT
    t.start AS "Start",
    t.trace_id AS "Trace",
    t.name AS "Root span",
    t.agent AS "Agent",
    t.service AS "Service",
    t.rollout_id AS "Rollout",
    t.group_id AS "Group",
    t.seconds AS "Duration",
    t.spans AS "Spans",
    t.llm_spans AS "LLM calls",
    t.errors AS "Errors",
    coalesce(of_rollout.score, of_trace.score) AS "Reward"
FROM (SELECT * FROM ({traces}) WHERE trace IN (found)) AS t
LEFT JOIN (
    SELECT RolloutId, {score} AS score FROM rewards FINAL
    PREWHERE RolloutId != '' AND Timestamp >= $__fromTime - INTERVAL 1 HOUR GROUP BY RolloutId
) AS of_rollout ON of_rollout.RolloutId = t.rollout_id
LEFT JOIN (
    SELECT TraceId, {score} AS score FROM rewards FINAL
    PREWHERE RolloutId = '' AND TraceId != '' AND Timestamp >= $__fromTime - INTERVAL 1 HOUR GROUP BY TraceId
) AS of_trace ON of_trace.TraceId = t.trace_id
ORDER BY t.start DESC, t.trace_id

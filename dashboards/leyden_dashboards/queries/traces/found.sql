-- Traces, Traces found: the summary, and the rollouts' rewards.
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
    r.reward AS "Reward"
FROM ({traces}) AS t
INNER JOIN ({rewarded_traces}) AS r ON r.trace_id = t.trace_id
WHERE $__conditionalAll(positionCaseInsensitiveUTF8(concat(t.name, ' ', t.trace_id, ' ', t.rollout_id, ' ', t.group_id, ' ', t.session_id), ${search:singlequote}) > 0, $search)
    AND $__conditionalAll(t.seconds >= toFloat64OrZero(${min_duration:singlequote}), $min_duration)
ORDER BY t.start DESC, t.trace_id
LIMIT 500

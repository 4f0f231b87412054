-- The chosen rollouts, a row each, with their reward (NULL: none was given). A trace that names no rollout is one.
SELECT
    if(t.rollout_id != '', t.rollout_id, t.trace_id) AS rollout,
    groupArray(t.trace_id) AS trace_ids,
    any(t.project) AS project,
    max(t.agent) AS agent,
    max(t.group_id) AS group_id,
    min(t.start) AS start,
    (toUnixTimestamp64Nano(max(t.end)) - toUnixTimestamp64Nano(min(t.start))) / 1e9 AS seconds,
    sum(t.errors) AS errors,
    coalesce(any(of_rollout.score), avg(of_trace.score)) AS reward
FROM ({traces}) AS t
LEFT JOIN (
    SELECT RolloutId, {score} AS score FROM rewards FINAL
    WHERE RolloutId != '' AND Timestamp >= $__fromTime - INTERVAL 1 HOUR GROUP BY RolloutId
) AS of_rollout ON of_rollout.RolloutId = t.rollout_id
LEFT JOIN (
    SELECT TraceId, {score} AS score FROM rewards FINAL
    WHERE RolloutId = '' AND TraceId != '' AND Timestamp >= $__fromTime - INTERVAL 1 HOUR GROUP BY TraceId
) AS of_trace ON of_trace.TraceId = t.trace_id
GROUP BY rollout

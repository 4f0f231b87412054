-- The chosen rollouts with their reward: of the rollout, else the mean of its traces' (NULL: none was given).
SELECT
    r.rollout AS rollout, r.traces AS traces, r.project AS project, r.agent AS agent, r.start AS start, r.seconds AS seconds,
    r.errors AS errors, r.models AS models, coalesce(of_rollout.score, of_trace.score) AS reward
FROM ({rollouts}) AS r
LEFT JOIN (
    SELECT cityHash64(RolloutId) AS rollout, {score} AS score FROM rewards FINAL
    PREWHERE RolloutId != '' AND Timestamp >= $__fromTime - INTERVAL 1 HOUR GROUP BY rollout
) AS of_rollout ON of_rollout.rollout = r.rollout
LEFT JOIN (
    SELECT cityHash64(if(rollout_id != '', rollout_id, trace_id)) AS rollout, toNullable(avg(s.score)) AS score
    FROM
    (
        SELECT TraceId AS trace_id, {score} AS score FROM rewards FINAL
        PREWHERE RolloutId = '' AND TraceId != '' AND Timestamp >= $__fromTime - INTERVAL 1 HOUR GROUP BY trace_id
    ) AS s
    INNER JOIN
    (
        SELECT any(t.TraceId) AS trace_id, max(t.RolloutId) AS rollout_id FROM traces AS t WHERE {hours}
            AND TraceId IN (SELECT TraceId FROM rewards WHERE RolloutId = '' AND Timestamp >= $__fromTime - INTERVAL 1 HOUR)
        GROUP BY TraceId
    ) AS n USING (trace_id)
    GROUP BY rollout
) AS of_trace ON of_trace.rollout = r.rollout

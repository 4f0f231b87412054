-- How many of the chosen rollouts each policy version sampled in, and the mean reward of their traces.
SELECT p.policy AS policy_id, uniqExact(t.rollout) AS rollouts, toNullable(avg(t.reward)) AS reward
FROM
(
    SELECT DISTINCT toUInt64(cityHash64(PolicyVersion)) AS policy, cityHash64(TraceId) AS trace
    FROM otel_traces
    PREWHERE {llm_spans}
        AND PolicyVersion != ''
) AS p
INNER JOIN ({rewarded_traces}) AS t ON t.trace = p.trace
GROUP BY policy_id

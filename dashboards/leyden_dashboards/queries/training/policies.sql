-- Training, Policy versions.
SELECT
    p.policy AS "Policy version",
    uniqExact(t.rollout) AS "Rollouts",
    sum(p.calls) AS "LLM calls",
    avg(t.reward) AS "Reward",
    any(l.logprob) AS "Log-probability",
    min(p.first) AS "First call",
    max(p.last) AS "Last call"
FROM ({policy_traces}) AS p
INNER JOIN ({rewarded_traces}) AS t ON t.trace = p.trace
LEFT JOIN
(
    SELECT
        PolicyVersion AS policy,
        toNullable(sum(arraySum(ResponseLogprobs)) / sum(length(ResponseLogprobs))) AS logprob
    FROM otel_traces FINAL
    PREWHERE {llm_spans}
        AND PolicyVersion != ''
        AND notEmpty(ResponseLogprobs)
    GROUP BY policy
) AS l ON l.policy = p.policy
GROUP BY p.policy
ORDER BY "First call" DESC
LIMIT 200

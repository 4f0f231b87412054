-- Training, Policy versions. Calls are those of the time range; rewards those of the rollouts they belong to.
SELECT
    p.policy AS "Policy version",
    r.rollouts AS "Rollouts",
    p.calls AS "LLM calls",
    r.reward AS "Reward",
    p.logprob AS "Log-probability",
    p.first AS "First call",
    p.last AS "Last call"
FROM ({policy_calls}) AS p
INNER JOIN ({policy_rewards}) AS r ON r.policy_id = p.policy_id
ORDER BY "First call" DESC
LIMIT 200

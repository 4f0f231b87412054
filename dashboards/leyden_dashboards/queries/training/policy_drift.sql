-- Training, Drift between policy versions: each beside the one that was seen before it.
SELECT
    policy AS "Policy version",
    before AS "After",
    reward - reward_before AS "Reward",
    logprob - logprob_before AS "Log-probability",
    tokens - tokens_before AS "Reply tokens"
FROM
(
    SELECT
        policy, reward, logprob, tokens, first,
        lagInFrame(policy) OVER versions AS before,
        lagInFrame(reward) OVER versions AS reward_before,
        lagInFrame(logprob) OVER versions AS logprob_before,
        lagInFrame(tokens) OVER versions AS tokens_before
    FROM
    (
        SELECT s.policy AS policy, s.first AS first, s.logprob AS logprob, s.tokens AS tokens, r.reward AS reward
        FROM ({policy_calls}) AS s
        LEFT JOIN ({policy_rewards}) AS r ON r.policy_id = s.policy_id
    )
    WINDOW versions AS (ORDER BY first, policy ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
WHERE before != ''
ORDER BY first DESC
LIMIT 200

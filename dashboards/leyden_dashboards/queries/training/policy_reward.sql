-- Training, Reward by policy version.
SELECT $__timeInterval(first) AS time, p.policy AS policy, avg(t.reward) AS reward
FROM ({policy_traces}) AS p
INNER JOIN ({rewarded_traces}) AS t ON t.trace = p.trace
WHERE t.reward IS NOT NULL
GROUP BY time, policy
ORDER BY time, policy

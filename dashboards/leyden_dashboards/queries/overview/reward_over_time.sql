-- Overview, Reward by agent.
SELECT $__timeInterval(start) AS time, agent, avg(r.reward) AS reward
FROM ({rewarded_rollouts}) AS r
WHERE r.reward IS NOT NULL
GROUP BY time, agent
ORDER BY time, agent

-- Overview, Rollouts by agent.
SELECT $__timeInterval(start) AS time, agent, count() AS rollouts
FROM ({rollouts})
GROUP BY time, agent
ORDER BY time, agent

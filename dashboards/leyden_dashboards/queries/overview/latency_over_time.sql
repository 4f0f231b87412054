-- Overview, Rollout latency.
SELECT $__timeInterval(start) AS time, quantile(0.5)(seconds) AS p50, quantile(0.95)(seconds) AS p95
FROM ({rollouts})
GROUP BY time
ORDER BY time

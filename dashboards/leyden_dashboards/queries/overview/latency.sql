-- Overview, Latency.
SELECT quantileOrNull(0.5)(seconds) AS "p50", quantileOrNull(0.95)(seconds) AS "p95" FROM ({rollouts})

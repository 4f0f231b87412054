-- Training, Reward in training: one run of `run_metrics`, by its key.
SELECT Step AS step, avgOrNullIf(Value, Name IN ('reward', 'rewards/mean')) AS reward
FROM run_metrics FINAL
WHERE RunId = ${run:singlequote}
GROUP BY step
ORDER BY step

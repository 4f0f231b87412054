-- Training, Chosen metric: one run of `run_metrics`, by its key.
SELECT Step AS step, maxOrNullIf(Value, Name = ${metric:singlequote}) AS value
FROM run_metrics FINAL
WHERE RunId = ${run:singlequote}
GROUP BY step
ORDER BY step

-- Training, Staleness in training: one run of `run_metrics`, by its key.
SELECT Step AS step, avgOrNullIf(Value, Name = 'staleness') AS versions, avgOrNullIf(Value, Name = 'rollouts/late') AS late
FROM run_metrics FINAL
WHERE RunId = ${run:singlequote}
GROUP BY step
ORDER BY step

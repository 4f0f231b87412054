-- Training, Loss: one run of `run_metrics`, by its key.
SELECT Step AS step, maxOrNullIf(Value, Name = 'loss') AS loss, maxOrNullIf(Value, Name = 'eval_loss') AS eval_loss
FROM run_metrics FINAL
WHERE RunId = ${run:singlequote}
GROUP BY step
ORDER BY step

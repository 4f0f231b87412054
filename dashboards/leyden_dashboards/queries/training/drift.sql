-- Training, Drift in training: one run of `run_metrics`, by its key; trainers name these in their own ways.
SELECT
    Step AS step,
    avgOrNullIf(Value, Name IN ('kl', 'approx_kl', 'objective/kl')) AS kl,
    avgOrNullIf(Value, Name IN ('ratio', 'sampling/importance_sampling_ratio/mean')) AS ratio,
    avgOrNullIf(Value, Name IN ('clip_fraction', 'clip_ratio/region_mean')) AS clipped
FROM run_metrics FINAL
WHERE RunId = ${run:singlequote}
GROUP BY step
ORDER BY step

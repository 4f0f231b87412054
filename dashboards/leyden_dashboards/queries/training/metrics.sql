-- Training, Metrics: one run of `run_metrics`, by its key.
SELECT
    Name AS "Metric",
    count() AS "Steps",
    argMin(Value, Step) AS "First",
    argMax(Value, Step) AS "Last",
    min(Value) AS "Lowest",
    max(Value) AS "Highest"
FROM run_metrics FINAL
WHERE RunId = ${run:singlequote}
GROUP BY Name
ORDER BY Name

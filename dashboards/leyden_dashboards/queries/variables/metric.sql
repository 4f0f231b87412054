-- Asked by the metric variable: one run of `run_metrics`, by its key.
SELECT DISTINCT Name FROM run_metrics WHERE RunId = ${run:singlequote} ORDER BY Name

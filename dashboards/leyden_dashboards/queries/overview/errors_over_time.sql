-- Overview, Errors by project.
SELECT $__timeInterval(Timestamp) AS time, Project AS project, count() AS errors
FROM otel_traces FINAL
PREWHERE {spans}
    AND StatusCode = 'Error'
GROUP BY time, project
ORDER BY time, project

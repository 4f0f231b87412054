-- Overview, Error spans.
SELECT count() AS "Error spans"
FROM otel_traces FINAL
PREWHERE {spans}
    AND StatusCode = 'Error'

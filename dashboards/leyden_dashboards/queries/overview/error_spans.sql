-- Overview, Error spans.
SELECT count() AS "Error spans"
FROM otel_traces FINAL
WHERE {spans}
    AND StatusCode = 'Error'

-- LLM quality, Error rate.
SELECT $__timeInterval(Timestamp) AS time, Model AS model, countIf(StatusCode = 'Error') / count() AS errors
FROM otel_traces FINAL
PREWHERE {llm_spans}
GROUP BY time, model
ORDER BY time, model

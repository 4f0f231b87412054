-- LLM quality, Calls.
SELECT $__timeInterval(Timestamp) AS time, Model AS model, count() AS calls
FROM otel_traces FINAL
PREWHERE {llm_spans}
GROUP BY time, model
ORDER BY time, model

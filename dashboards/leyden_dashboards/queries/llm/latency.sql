-- LLM quality, Call latency.
SELECT $__timeInterval(Timestamp) AS time, Model AS model, quantile(0.95)(Duration) / 1e9 AS p95
FROM otel_traces FINAL
PREWHERE {llm_spans}
GROUP BY time, model
ORDER BY time, model

-- LLM quality, Prompt size.
SELECT $__timeInterval(Timestamp) AS time, Model AS model, quantile(0.95)(InputTokens) AS tokens
FROM otel_traces FINAL
PREWHERE {llm_spans}
    AND InputTokens > 0
GROUP BY time, model
ORDER BY time, model

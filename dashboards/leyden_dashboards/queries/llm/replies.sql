-- LLM quality, Reply size.
SELECT $__timeInterval(Timestamp) AS time, Model AS model, avg(OutputTokens) AS tokens
FROM otel_traces FINAL
PREWHERE {llm_spans}
    AND OutputTokens > 0
GROUP BY time, model
ORDER BY time, model

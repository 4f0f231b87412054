-- LLM quality, Tokens per second.
SELECT $__timeInterval(Timestamp) AS time, Model AS model, sum(OutputTokens) / nullIf(sum(Duration), 0) * 1e9 AS speed
FROM otel_traces FINAL
PREWHERE {llm_spans}
    AND OutputTokens > 0
GROUP BY time, model
ORDER BY time, model

-- Overview, Tokens by model.
SELECT $__timeInterval(Timestamp) AS time, Model AS model, sum(InputTokens) AS "in", sum(OutputTokens) AS "out"
FROM otel_traces FINAL
PREWHERE {llm_spans}
GROUP BY time, model
ORDER BY time, model

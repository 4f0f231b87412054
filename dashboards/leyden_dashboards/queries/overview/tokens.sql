-- Overview, Tokens. FINAL folds away spans that were exported twice.
SELECT sum(InputTokens) AS "in", sum(OutputTokens) AS "out"
FROM otel_traces FINAL
PREWHERE {llm_spans}

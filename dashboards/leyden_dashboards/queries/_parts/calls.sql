-- The chosen LLM calls, with what they say of their cost.
SELECT
    Timestamp, TraceId, Model AS model, toDate(Timestamp) AS day, InputTokens, OutputTokens,
    CachedTokens AS cached, ReasoningTokens AS reasoned, RecordedCost AS told
FROM otel_traces FINAL
PREWHERE {llm_spans}

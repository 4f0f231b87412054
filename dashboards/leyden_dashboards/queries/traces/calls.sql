-- Traces, LLM calls of one trace.
SELECT
    Timestamp AS "Start",
    Model AS "Model",
    SpanName AS "Span",
    Duration / 1e9 AS "Duration",
    InputTokens AS "Tokens in",
    OutputTokens AS "Tokens out",
    StatusCode AS "Status",
    StatusMessage AS "Message",
    PolicyVersion AS "Policy version",
    length(ResponseTokenIds) AS "Token ids",
    SpanId AS "Span id"
FROM otel_traces FINAL
PREWHERE {one_trace}
    AND {llm}
ORDER BY Timestamp, SpanId

-- Traces, Rewards of one trace and of the rollout it belongs to.
SELECT
    Timestamp AS "Given",
    Name AS "Name",
    Value AS "Value",
    Label AS "Label",
    Explanation AS "Explanation",
    Source AS "Source",
    RolloutId AS "Rollout",
    SpanId AS "Span id"
FROM rewards FINAL
WHERE TraceId = lower(trimBoth(${trace:singlequote}))
    OR RolloutId IN (SELECT RolloutId FROM otel_traces WHERE {one_trace} AND RolloutId != '')
ORDER BY Timestamp, Name

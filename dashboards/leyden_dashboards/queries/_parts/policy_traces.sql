-- Which policy versions sampled in which of the chosen traces.
SELECT PolicyVersion AS policy, TraceId, count() AS calls, min(Timestamp) AS first, max(Timestamp) AS last
FROM otel_traces FINAL
WHERE {llm_spans}
    AND PolicyVersion != ''
GROUP BY policy, TraceId

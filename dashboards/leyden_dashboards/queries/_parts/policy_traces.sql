-- Which policy versions sampled in which of the chosen traces.
SELECT PolicyVersion AS policy, cityHash64(TraceId) AS trace, count() AS calls, min(Timestamp) AS first, max(Timestamp) AS last
FROM otel_traces FINAL
PREWHERE {llm_spans}
    AND PolicyVersion != ''
GROUP BY policy, trace

-- LLM quality, Call latency as a heat map.
SELECT time, seconds FROM
(
    SELECT Timestamp AS time, Duration / 1e9 AS seconds, SpanId
    FROM otel_traces FINAL
    PREWHERE {llm_spans}
    ORDER BY cityHash64(SpanId)
    LIMIT 20000
)
ORDER BY time

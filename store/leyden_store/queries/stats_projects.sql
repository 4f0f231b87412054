-- What each project holds, deduplicated, and from when to when. Asked by `leyden store stats`.
SELECT
    Project AS project, count() AS spans, uniqExact(TraceId) AS traces,
    toUnixTimestamp64Nano(min(Timestamp)) AS oldest_ns, toUnixTimestamp64Nano(max(Timestamp)) AS newest_ns
FROM otel_traces FINAL
GROUP BY project
ORDER BY spans DESC, project

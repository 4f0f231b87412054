-- Traces, Trace duration: the summary.
SELECT start AS time, seconds
FROM (SELECT start, trace_id, seconds FROM ({traces}) ORDER BY cityHash64(trace_id) LIMIT 20000)
ORDER BY time

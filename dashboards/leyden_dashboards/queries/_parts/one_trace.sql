-- The trace in the text box: the companion table says when it was, which picks partitions and hours of the key.
TraceId = lower(trimBoth(${trace:singlequote}))
AND Timestamp >= (SELECT min(Start) FROM otel_traces_trace_id_ts WHERE TraceId = lower(trimBoth(${trace:singlequote})))
AND Timestamp <= (SELECT max(End) FROM otel_traces_trace_id_ts WHERE TraceId = lower(trimBoth(${trace:singlequote})))

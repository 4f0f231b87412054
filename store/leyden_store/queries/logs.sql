-- Log records of some traces, each once: joined to their spans by the readers. Not bounded in time: a record may come a
-- day after its span; the key finds a trace's records whatever their time.
SELECT
    TraceId AS trace_id, SpanId AS span_id, toUnixTimestamp64Nano(Timestamp) AS time_ns, EventName AS name,
    ScopeName AS scope_name, Body AS body, BodyType AS body_type, LogAttributes AS attributes, LogAttributeTypes AS types
FROM otel_logs
WHERE TraceId IN splitByChar(',', {trace_ids:String})
ORDER BY TraceId, SpanId, Timestamp, RecordHash
LIMIT 1 BY TraceId, SpanId, Timestamp, EventName, RecordHash

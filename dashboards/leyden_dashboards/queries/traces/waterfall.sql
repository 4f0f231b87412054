-- Traces, Waterfall: every span of one trace, in the columns that Grafana's trace view reads. Times in milliseconds.
SELECT
    TraceId AS traceID,
    SpanId AS spanID,
    ParentSpanId AS parentSpanID,
    ServiceName AS serviceName,
    SpanName AS operationName,
    toUnixTimestamp64Nano(Timestamp) / 1e6 AS startTime,
    Duration / 1e6 AS duration,
    arrayMap((k, v) -> map('key', k, 'value', v),
             arrayConcat(mapKeys(SpanAttributes), ['leyden.operation', 'leyden.input_tokens', 'leyden.output_tokens']),
             arrayConcat(mapValues(SpanAttributes), [toString(Operation), toString(InputTokens), toString(OutputTokens)])) AS tags,
    arrayMap((k, v) -> map('key', k, 'value', v), mapKeys(ResourceAttributes), mapValues(ResourceAttributes)) AS serviceTags,
    if(StatusCode = 'Error', 2, 0) AS statusCode,
    StatusMessage AS statusMessage,
    SpanKind AS kind,
    TraceState AS traceState,
    arrayMap((name, at, attributes) -> CAST(
                 (name, toString(toUnixTimestamp64Milli(at)),
                  arrayMap((k, v) -> map('key', k, 'value', v), mapKeys(attributes), mapValues(attributes))),
                 'Tuple(name String, timestamp String, fields Array(Map(String, String)))'),
             Events.Name, Events.Timestamp, Events.Attributes) AS logs,
    arrayMap((trace_id, span_id, attributes) -> CAST(
                 (trace_id, span_id,
                  arrayMap((k, v) -> map('key', k, 'value', v), mapKeys(attributes), mapValues(attributes))),
                 'Tuple(traceID String, spanID String, tags Array(Map(String, String)))'),
             Links.TraceId, Links.SpanId, Links.Attributes) AS references
FROM otel_traces FINAL
PREWHERE {one_trace}
ORDER BY Timestamp, SpanId
LIMIT 10000

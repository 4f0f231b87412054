-- Of every span of some traces what reading turns asks of it, keyed and deduplicated as in spans.sql: half of its columns,
-- for reading many rollouts. What a span was sent from and linked to says nothing of a turn.
SELECT
    TraceId, SpanId, ParentSpanId, SpanName, toUnixTimestamp64Nano(Timestamp) AS StartNs, Duration, StatusCode, StatusMessage,
    ServiceName, ScopeName, mapConcat(SpanAttributes, Content) AS Attributes, SpanAttributeTypes,
    arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp) AS EventTimes, Events.Name AS EventNames,
    Events.Attributes AS EventAttributes, EventAttributeTypes, DroppedAttributes,
    RolloutId, GroupId, Attempt, SessionId, PolicyVersion, PromptTokenIds, ResponseTokenIds, ResponseLogprobs
FROM otel_traces
WHERE TraceId IN splitByChar(',', {trace_ids:String})
  AND Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({end_ns:Int64})
ORDER BY TraceId, Timestamp, SpanId
LIMIT 1 BY TraceId, SpanId

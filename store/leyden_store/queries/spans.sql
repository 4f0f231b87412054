-- Every span of some traces, deduplicated. Asked by readers of trees and turns, in batches of traces that lie near each
-- other in time; the bounds on Timestamp pick the partitions and the hours of the key, the TraceIds the granules.
SELECT
    TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName, ScopeName, ScopeVersion,
    toUnixTimestamp64Nano(Timestamp) AS StartNs, Duration, StatusCode, StatusMessage,
    ResourceAttributes, ResourceAttributeTypes, mapConcat(SpanAttributes, Content) AS Attributes, SpanAttributeTypes,
    arrayMap(t -> toUnixTimestamp64Nano(t), Events.Timestamp) AS EventTimes, Events.Name AS EventNames,
    Events.Attributes AS EventAttributes, EventAttributeTypes,
    Links.TraceId AS LinkTraceIds, Links.SpanId AS LinkSpanIds, Links.TraceState AS LinkTraceStates,
    Links.Attributes AS LinkAttributes, LinkAttributeTypes,
    Project, RolloutId, GroupId, Attempt, SessionId, PolicyVersion, DroppedAttributes,
    PromptTokenIds, ResponseTokenIds, ResponseLogprobs,
    UserId, Flags, DroppedEvents, DroppedLinks, EventDroppedAttributes, LinkDroppedAttributes, LinkFlags,
    ScopeAttributes, ScopeAttributeTypes, ScopeDroppedAttributes, ScopeSchemaUrl,
    ResourceDroppedAttributes, ResourceSchemaUrl
FROM otel_traces
WHERE TraceId IN splitByChar(',', {trace_ids:String})
  AND Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({end_ns:Int64})
ORDER BY TraceId, Timestamp, SpanId
LIMIT 1 BY TraceId, SpanId

-- The summary that lists read, kept by every insert of spans: only what is idempotent under retries. Training runs are spans
-- too, but no agents': they are found by their trace id alone.

CREATE MATERIALIZED VIEW IF NOT EXISTS traces_mv TO traces AS
SELECT
    Project,
    toStartOfHour(Timestamp) AS Hour,
    TraceId,
    min(Timestamp) AS Start,
    max(addNanoseconds(Timestamp, Duration)) AS End,
    argMinState(CAST(SpanName, 'String'), (toUInt8(ParentSpanId != ''), Timestamp)) AS RootName,
    argMinState(CAST(ServiceName, 'String'), (toUInt8(ParentSpanId != ''), Timestamp)) AS ServiceName,
    max(RolloutId) AS RolloutId,
    max(GroupId) AS GroupId,
    max(SessionId) AS SessionId,
    max(CAST(AgentName, 'String')) AS AgentName,
    max(otel_traces.UserId) AS UserId,
    groupUniqArrayIf(CAST(otel_traces.AgentName, 'String'), otel_traces.AgentName != '') AS Agents,
    groupUniqArrayIf(CAST(Model, 'String'), Model != '') AS Models,
    max(toUInt8(StatusCode = 'Error')) AS HasError,
    uniqState(SpanId) AS Spans,
    uniqIfState(SpanId, toUInt8(Operation IN ('chat', 'generate_content', 'text_completion'))) AS LlmSpans,
    uniqIfState(SpanId, toUInt8(StatusCode = 'Error')) AS Errors
FROM otel_traces
WHERE Project != 'leyden-runs'
GROUP BY Project, Hour, TraceId;

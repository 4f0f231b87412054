-- OTLP in: ClickHouse parses the protobuf itself. An insert into `otlp_traces` (engine Null: it keeps nothing) in
-- FORMAT Protobuf with schema/otlp_traces.proto is flattened by a view into `otel_traces`. No Python touches a span.
-- The functions are those of functions.sql.

-- The Enum8 columns called `value` say which member of the oneof is set (input_format_protobuf_oneof_presence).
CREATE TABLE IF NOT EXISTS otlp_traces
(
    resource_spans Array(Tuple(
        resource Tuple(attributes Array(Tuple(key String, value Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String)))),
        scope_spans Array(Tuple(
            scope Tuple(name String, version String),
            spans Array(Tuple(
                trace_id String,
                span_id String,
                trace_state String,
                parent_span_id String,
                name String,
                kind Int32,
                start_time_unix_nano UInt64,
                end_time_unix_nano UInt64,
                attributes Array(Tuple(key String, value Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String))),
                dropped_attributes_count UInt32,
                events Array(Tuple(time_unix_nano UInt64, name String, attributes Array(Tuple(key String, value Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String))))),
                links Array(Tuple(trace_id String, span_id String, trace_state String, attributes Array(Tuple(key String, value Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String))))),
                status Tuple(code Int32, message String)))))))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_traces_mv TO otel_traces AS
WITH
    leyden_texts(arrayFilter(a -> NOT leyden_is_token_array(a), span.attributes)) AS texts,
    leyden_named(texts) AS named,
    mapUpdate(resource_named, named) AS identity, -- the resource speaks for spans that say nothing themselves
    arrayFilter(a -> leyden_is_token_array(a), span.attributes) AS token_arrays
SELECT
    leyden_time(span.start_time_unix_nano) AS Timestamp,
    lower(hex(span.trace_id)) AS TraceId,
    lower(hex(span.span_id)) AS SpanId,
    lower(hex(span.parent_span_id)) AS ParentSpanId,
    span.trace_state AS TraceState,
    span.name AS SpanName,
    ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer'][if(span.kind BETWEEN 0 AND 5, span.kind, 0) + 1] AS SpanKind,
    ResourceAttributes['service.name'] AS ServiceName,
    ResourceAttributes,
    scope_spans.scope.name AS ScopeName,
    scope_spans.scope.version AS ScopeVersion,
    mapFilter((k, v) -> NOT leyden_is_content(k, v), texts) AS SpanAttributes,
    greatest(span.end_time_unix_nano, span.start_time_unix_nano) - span.start_time_unix_nano AS Duration,
    multiIf(span.status.code = 1, 'Ok', span.status.code = 2, 'Error', 'Unset') AS StatusCode,
    span.status.message AS StatusMessage,
    arrayMap(e -> leyden_time(e.time_unix_nano), span.events) AS `Events.Timestamp`,
    arrayMap(e -> e.name, span.events) AS `Events.Name`,
    arrayMap(e -> leyden_texts(e.attributes), span.events) AS `Events.Attributes`,
    arrayMap(l -> lower(hex(l.trace_id)), span.links) AS `Links.TraceId`,
    arrayMap(l -> lower(hex(l.span_id)), span.links) AS `Links.SpanId`,
    arrayMap(l -> l.trace_state, span.links) AS `Links.TraceState`,
    arrayMap(l -> leyden_texts(l.attributes), span.links) AS `Links.Attributes`,
    leyden_first(identity['leyden.project'], 'default', '', '', '', '') AS Project,
    leyden_first(identity['leyden.rollout.id'], identity['agentlightning.rollout_id'], '', '', '', '') AS RolloutId,
    identity['leyden.group.id'] AS GroupId,
    toInt32OrNull(leyden_first(identity['leyden.attempt'], identity['agentlightning.attempt_id'], '', '', '', '')) AS Attempt,
    leyden_first(identity['gen_ai.conversation.id'], identity['session.id'], identity['langfuse.session.id'],
                 identity['traceloop.association.properties.session_id'], identity['traceloop.association.properties.thread_id'],
                 leyden_first(identity['mlflow.trace.session'], identity['ai.telemetry.metadata.sessionId'], '', '', '', '')) AS SessionId,
    identity['leyden.policy.version'] AS PolicyVersion,
    leyden_operation(named) AS Operation,
    leyden_first(named['gen_ai.response.model'], named['gen_ai.request.model'], named['llm.model_name'], named['ai.model.id'],
                 named['langfuse.observation.model.name'], named['mlflow.llm.model']) AS Model,
    leyden_first(named['gen_ai.agent.name'], named['agent.name'],
                 if(named['traceloop.span.kind'] = 'agent', named['traceloop.entity.name'], ''), '', '', '') AS AgentName,
    toUInt32OrZero(leyden_first(named['gen_ai.usage.input_tokens'], named['llm.token_count.prompt'], named['gen_ai.usage.prompt_tokens'], named['ai.usage.promptTokens'], '', '')) AS InputTokens,
    toUInt32OrZero(leyden_first(named['gen_ai.usage.output_tokens'], named['llm.token_count.completion'], named['gen_ai.usage.completion_tokens'], named['ai.usage.completionTokens'], '', '')) AS OutputTokens,
    arrayMap(e -> toInt32(e.int_value), arrayFirst(a -> a.key = 'leyden.prompt_token_ids', token_arrays).value.array_value.values) AS PromptTokenIds,
    arrayMap(e -> toInt32(e.int_value), arrayFirst(a -> a.key = 'leyden.response_token_ids', token_arrays).value.array_value.values) AS ResponseTokenIds,
    arrayMap(e -> if(e.value = 'int_value', toFloat64(e.int_value), e.double_value), arrayFirst(a -> a.key = 'leyden.response_logprobs', token_arrays).value.array_value.values) AS ResponseLogprobs,
    mapFilter((k, v) -> leyden_is_content(k, v), texts) AS Content,
    leyden_types(span.attributes) AS SpanAttributeTypes,
    ResourceAttributeTypes,
    arrayMap(e -> leyden_types(e.attributes), span.events) AS EventAttributeTypes,
    arrayMap(l -> leyden_types(l.attributes), span.links) AS LinkAttributeTypes,
    span.dropped_attributes_count AS DroppedAttributes
FROM
(
    SELECT ResourceAttributes, ResourceAttributeTypes, resource_named, scope_spans, arrayJoin(scope_spans.spans) AS span
    FROM
    (
        SELECT leyden_texts(resource_spans.resource.attributes) AS ResourceAttributes,
               leyden_types(resource_spans.resource.attributes) AS ResourceAttributeTypes,
               leyden_named(ResourceAttributes) AS resource_named,
               arrayJoin(resource_spans.scope_spans) AS scope_spans
        FROM (SELECT arrayJoin(resource_spans) AS resource_spans FROM otlp_traces)
    )
);

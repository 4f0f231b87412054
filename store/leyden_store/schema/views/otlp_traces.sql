-- OTLP in: ClickHouse parses the protobuf itself. An insert into `otlp_traces` (engine Null: it keeps nothing) in
-- FORMAT Protobuf with schema/otlp_traces.proto is flattened by a view into `otlp_spans` (Null too), and from there goes to
-- `otel_traces` unless it was erased. No Python touches a span.
-- The functions are those of functions.sql.

-- The Enum8 columns called `value` say which member of the oneof is set (input_format_protobuf_oneof_presence).
CREATE TABLE IF NOT EXISTS otlp_traces
(
    resource_spans Array(Tuple(
        schema_url String,
        resource Tuple(attributes Array(Tuple(key String, value Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String))), dropped_attributes_count UInt32),
        scope_spans Array(Tuple(
            scope Tuple(name String, version String, attributes Array(Tuple(key String, value Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String))), dropped_attributes_count UInt32),
            schema_url String,
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
                events Array(Tuple(time_unix_nano UInt64, name String, attributes Array(Tuple(key String, value Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String))), dropped_attributes_count UInt32)),
                links Array(Tuple(trace_id String, span_id String, trace_state String, attributes Array(Tuple(key String, value Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String))), dropped_attributes_count UInt32, flags UInt32)),
                dropped_events_count UInt32,
                dropped_links_count UInt32,
                flags UInt32,
                status Tuple(code Int32, message String)))))))
)
ENGINE = Null;

-- Spans as they will be stored, with every column of the table.
CREATE TABLE IF NOT EXISTS otlp_spans AS otel_traces ENGINE = Null;

-- What was erased stays away: it is counted, and stored nowhere.
CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_spans_mv TO otel_traces AS
SELECT * FROM otlp_spans WHERE NOT leyden_is_erased(TraceId, RolloutId, SessionId);

CREATE MATERIALIZED VIEW IF NOT EXISTS erased_arrivals_mv TO erased_arrivals AS
SELECT Project, today() AS Day, count() AS Spans
FROM otlp_spans
WHERE leyden_is_erased(TraceId, RolloutId, SessionId)
GROUP BY Project;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_traces_flat_mv TO otlp_spans AS
WITH
    leyden_texts(arrayFilter(a -> NOT leyden_is_token_array(a), span.attributes)) AS texts,
    leyden_named(span.attributes) AS named,
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
    if(ResourceAttributeTypes['service.name'] = '', ResourceAttributes['service.name'], '') AS ServiceName,
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
    leyden_first(identity['user.id'], identity['enduser.id'], identity['langfuse.user.id'],
                 identity['traceloop.association.properties.user_id'], identity['mlflow.trace.user'],
                 identity['ai.telemetry.metadata.userId']) AS UserId,
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
    span.dropped_attributes_count AS DroppedAttributes,
    span.flags AS Flags,
    span.dropped_events_count AS DroppedEvents,
    span.dropped_links_count AS DroppedLinks,
    arrayMap(e -> e.dropped_attributes_count, span.events) AS EventDroppedAttributes,
    arrayMap(l -> l.dropped_attributes_count, span.links) AS LinkDroppedAttributes,
    arrayMap(l -> l.flags, span.links) AS LinkFlags,
    leyden_texts(scope_spans.scope.attributes) AS ScopeAttributes,
    leyden_types(scope_spans.scope.attributes) AS ScopeAttributeTypes,
    scope_spans.scope.dropped_attributes_count AS ScopeDroppedAttributes,
    scope_spans.schema_url AS ScopeSchemaUrl,
    ResourceDroppedAttributes,
    ResourceSchemaUrl
FROM
(
    SELECT ResourceAttributes, ResourceAttributeTypes, ResourceDroppedAttributes, ResourceSchemaUrl, resource_named, scope_spans, arrayJoin(scope_spans.spans) AS span
    FROM
    (
        SELECT leyden_texts(resource_spans.resource.attributes) AS ResourceAttributes,
               leyden_types(resource_spans.resource.attributes) AS ResourceAttributeTypes,
               resource_spans.resource.dropped_attributes_count AS ResourceDroppedAttributes,
               resource_spans.schema_url AS ResourceSchemaUrl,
               leyden_named(resource_spans.resource.attributes) AS resource_named,
               arrayJoin(resource_spans.scope_spans) AS scope_spans
        FROM (SELECT arrayJoin(resource_spans) AS resource_spans FROM otlp_traces)
    )
);

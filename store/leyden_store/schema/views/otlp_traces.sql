-- OTLP in: ClickHouse parses the protobuf itself. An insert into `otlp_trace_requests` (engine Null: it keeps nothing) in
-- FORMAT Protobuf with schema/otlp_traces.proto is flattened by a view into `otlp_spans` (Null too), and from there goes to
-- `otel_traces` unless it was erased. No Python touches a span.
-- The functions are those of functions.sql.
--
-- What an insert costs beside its spans is planning the views, and that grows with the nodes of their queries and the length
-- of their types. Hence a column a field (no tuple of everything), each expression once, and a subquery a step.

-- The Enum8 columns called `value` say which member of the oneof is set (input_format_protobuf_oneof_presence).
CREATE TABLE IF NOT EXISTS otlp_trace_requests
(
    `resource_spans.resource.attributes` Array(Array(Tuple(key String, value Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String)))),
    `resource_spans.resource.dropped_attributes_count` Array(UInt32),
    `resource_spans.schema_url` Array(String),
    `resource_spans.scope_spans.scope.name` Array(Array(String)),
    `resource_spans.scope_spans.scope.version` Array(Array(String)),
    `resource_spans.scope_spans.scope.attributes` Array(Array(Array(Tuple(key String, value Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String))))),
    `resource_spans.scope_spans.scope.dropped_attributes_count` Array(Array(UInt32)),
    `resource_spans.scope_spans.schema_url` Array(Array(String)),
    `resource_spans.scope_spans.spans.trace_id` Array(Array(Array(String))),
    `resource_spans.scope_spans.spans.span_id` Array(Array(Array(String))),
    `resource_spans.scope_spans.spans.trace_state` Array(Array(Array(String))),
    `resource_spans.scope_spans.spans.parent_span_id` Array(Array(Array(String))),
    `resource_spans.scope_spans.spans.name` Array(Array(Array(String))),
    `resource_spans.scope_spans.spans.kind` Array(Array(Array(Int32))),
    `resource_spans.scope_spans.spans.start_time_unix_nano` Array(Array(Array(UInt64))),
    `resource_spans.scope_spans.spans.end_time_unix_nano` Array(Array(Array(UInt64))),
    `resource_spans.scope_spans.spans.attributes` Array(Array(Array(Array(Tuple(key String, value Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String)))))),
    `resource_spans.scope_spans.spans.dropped_attributes_count` Array(Array(Array(UInt32))),
    `resource_spans.scope_spans.spans.events.time_unix_nano` Array(Array(Array(Array(UInt64)))),
    `resource_spans.scope_spans.spans.events.name` Array(Array(Array(Array(String)))),
    `resource_spans.scope_spans.spans.events.attributes` Array(Array(Array(Array(Array(Tuple(key String, value Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String))))))),
    `resource_spans.scope_spans.spans.events.dropped_attributes_count` Array(Array(Array(Array(UInt32)))),
    `resource_spans.scope_spans.spans.dropped_events_count` Array(Array(Array(UInt32))),
    `resource_spans.scope_spans.spans.links.trace_id` Array(Array(Array(Array(String)))),
    `resource_spans.scope_spans.spans.links.span_id` Array(Array(Array(Array(String)))),
    `resource_spans.scope_spans.spans.links.trace_state` Array(Array(Array(Array(String)))),
    `resource_spans.scope_spans.spans.links.attributes` Array(Array(Array(Array(Array(Tuple(key String, value Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value Tuple(values Array(Tuple(value Enum8('absent' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5, 'kvlist_value' = 6, 'bytes_value' = 7), string_value String, bool_value Bool, int_value Int64, double_value Float64, array_value String, kvlist_value String, bytes_value String))), kvlist_value String, bytes_value String))))))),
    `resource_spans.scope_spans.spans.links.dropped_attributes_count` Array(Array(Array(Array(UInt32)))),
    `resource_spans.scope_spans.spans.links.flags` Array(Array(Array(Array(UInt32)))),
    `resource_spans.scope_spans.spans.dropped_links_count` Array(Array(Array(UInt32))),
    `resource_spans.scope_spans.spans.flags` Array(Array(Array(UInt32))),
    `resource_spans.scope_spans.spans.status.code` Array(Array(Array(Int32))),
    `resource_spans.scope_spans.spans.status.message` Array(Array(Array(String)))
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

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_trace_requests_mv TO otlp_spans AS
WITH
    leyden_map(names.1, names.2) AS named,
    leyden_map(arrayConcat(names.1, resource_names.1), arrayConcat(names.2, resource_names.2)) AS identity, -- the first of a name: the resource speaks where the span says nothing
    leyden_of_place(lists.int_value, places, 2) AS ints, -- of token_keys
    leyden_map(leyden_of_place(keys, places, 3), leyden_of_place(texts, places, 3)) AS packed
SELECT
    leyden_time(start) AS Timestamp,
    lower(hex(trace_id)) AS TraceId,
    lower(hex(span_id)) AS SpanId,
    lower(hex(parent_span_id)) AS ParentSpanId,
    TraceState,
    SpanName,
    transform(kind, [1, 2, 3, 4, 5], ['Internal', 'Server', 'Client', 'Producer', 'Consumer'], 'Unspecified') AS SpanKind,
    if(ResourceAttributeTypes['service.name'] = '', ResourceAttributes['service.name'], '') AS ServiceName,
    ResourceAttributes,
    ScopeName,
    ScopeVersion,
    leyden_map(leyden_of_place(keys, places, 0), leyden_of_place(texts, places, 0)) AS SpanAttributes,
    if(end > start, end - start, 0) AS Duration,
    transform(status, [1, 2], ['Ok', 'Error'], 'Unset') AS StatusCode,
    StatusMessage,
    arrayMap(t -> leyden_time(t), event_times) AS `Events.Timestamp`,
    event_names AS `Events.Name`,
    arraySlice(set_texts, 1, length(event_names)) AS `Events.Attributes`,
    arrayMap(id -> lower(hex(id)), link_trace_ids) AS `Links.TraceId`,
    arrayMap(id -> lower(hex(id)), link_span_ids) AS `Links.SpanId`,
    link_states AS `Links.TraceState`,
    arraySlice(set_texts, length(event_names) + 1) AS `Links.Attributes`,
    firstNonDefault(identity['leyden.project'], 'default') AS Project,
    firstNonDefault(identity['leyden.rollout.id'], identity['agentlightning.rollout_id']) AS RolloutId,
    identity['leyden.group.id'] AS GroupId,
    toInt32OrNull(firstNonDefault(identity['leyden.attempt'], identity['agentlightning.attempt_id'])) AS Attempt,
    firstNonDefault(identity['gen_ai.conversation.id'], identity['session.id'], identity['langfuse.session.id'],
                    identity['traceloop.association.properties.session_id'], identity['traceloop.association.properties.thread_id'],
                    identity['mlflow.trace.session'], identity['ai.telemetry.metadata.sessionId']) AS SessionId,
    firstNonDefault(identity['user.id'], identity['enduser.id'], identity['langfuse.user.id'],
                    identity['traceloop.association.properties.user_id'], identity['mlflow.trace.user'],
                    identity['ai.telemetry.metadata.userId']) AS UserId,
    identity['leyden.policy.version'] AS PolicyVersion,
    leyden_operation(named) AS Operation,
    firstNonDefault(named['gen_ai.response.model'], named['gen_ai.request.model'], named['llm.model_name'], named['ai.model.id'],
                    named['langfuse.observation.model.name'], named['mlflow.llm.model']) AS Model,
    firstNonDefault(named['gen_ai.agent.name'], named['agent.name'],
                    if(named['traceloop.span.kind'] = 'agent', named['traceloop.entity.name'], '')) AS AgentName,
    toUInt32OrZero(firstNonDefault(named['gen_ai.usage.input_tokens'], named['llm.token_count.prompt'],
                                   named['gen_ai.usage.prompt_tokens'], named['ai.usage.promptTokens'])) AS InputTokens,
    toUInt32OrZero(firstNonDefault(named['gen_ai.usage.output_tokens'], named['llm.token_count.completion'],
                                   named['gen_ai.usage.completion_tokens'], named['ai.usage.completionTokens'])) AS OutputTokens,
    arrayConcat(CAST(ints[indexOf(token_keys, 'leyden.prompt_token_ids')], 'Array(Int32)'),
                leyden_unpack(packed['leyden.prompt_token_ids.packed'])) AS PromptTokenIds,
    arrayConcat(CAST(ints[indexOf(token_keys, 'leyden.response_token_ids')], 'Array(Int32)'),
                leyden_unpack(packed['leyden.response_token_ids.packed'])) AS ResponseTokenIds,
    arrayMap((kind, i, d) -> if(kind = 'int_value', toFloat64(i), d),
             leyden_of_place(lists.value, places, 2)[indexOf(token_keys, 'leyden.response_logprobs') AS at],
             ints[at], leyden_of_place(lists.double_value, places, 2)[at]) AS ResponseLogprobs,
    leyden_map(leyden_of_place(keys, places, 1), leyden_of_place(texts, places, 1)) AS Content,
    SpanAttributeTypes,
    ResourceAttributeTypes,
    arraySlice(set_types, 1, length(event_names)) AS EventAttributeTypes,
    arraySlice(set_types, length(event_names) + 1) AS LinkAttributeTypes,
    DroppedAttributes, Flags, DroppedEvents, DroppedLinks, EventDroppedAttributes, LinkDroppedAttributes, LinkFlags,
    ScopeAttributes, ScopeAttributeTypes, ScopeDroppedAttributes, ScopeSchemaUrl, ResourceDroppedAttributes, ResourceSchemaUrl
FROM
(
    -- Where an attribute goes: 0 the map of small ones, 1 the content, 2 a token column, 3 a token column, packed. What is
    -- packed beside a list stays an attribute: the list is read.
    SELECT
        *,
        leyden_names(keys, texts, attributes.value.value) AS names,
        arrayMap(k -> has(token_keys, k) OR has(token_keys, replaceOne(k, '.packed', '')), keys) AS have_lists,
        arrayMap((k, t, has_list) -> multiIf(has_list AND NOT endsWith(k, '.packed'), 2, leyden_is_packed(k, t) AND NOT has_list, 3,
                                             leyden_is_content(k, t), 1, 0),
                 keys, texts, have_lists) AS places
    FROM
    (
        SELECT
            *,
            attributes.value.array_value.values AS lists,
            CAST(attributes.key, 'Array(LowCardinality(String))') AS keys,
            arrayFilter((k, list) -> leyden_is_token_array(k, list), attributes.key, lists) AS token_keys,
            arrayMap(v -> leyden_text(v), attributes.value) AS texts,
            leyden_types(attributes) AS SpanAttributeTypes,
            arrayConcat(event_attributes, link_attributes) AS sets,
            arrayMap(set -> leyden_texts(set), sets) AS set_texts,
            arrayMap(set -> leyden_types(set), sets) AS set_types
        FROM
        (
            SELECT
                ResourceAttributes, ResourceAttributeTypes, ResourceDroppedAttributes, ResourceSchemaUrl, resource_names,
                ScopeAttributes, ScopeAttributeTypes, ScopeName, ScopeVersion, ScopeDroppedAttributes, ScopeSchemaUrl,
                trace_id, span_id, TraceState, parent_span_id, SpanName, kind, start, end, attributes,
                DroppedAttributes, event_times, event_names, event_attributes, EventDroppedAttributes,
                DroppedEvents, link_trace_ids, link_span_ids, link_states, link_attributes, LinkDroppedAttributes,
                LinkFlags, DroppedLinks, Flags, status, StatusMessage
            FROM
            (
                SELECT
                    ResourceDroppedAttributes, ResourceSchemaUrl,
                    ScopeName, ScopeVersion, ScopeDroppedAttributes, ScopeSchemaUrl,
                    trace_id, span_id, TraceState, parent_span_id, SpanName, kind, start, end, attributes,
                    DroppedAttributes, event_times, event_names, event_attributes, EventDroppedAttributes,
                    DroppedEvents, link_trace_ids, link_span_ids, link_states, link_attributes,
                    LinkDroppedAttributes, LinkFlags, DroppedLinks, Flags, status, StatusMessage,
                    arrayMap(set -> leyden_texts(set), [resource, scope]) AS both_texts,
                    arrayMap(set -> leyden_types(set), [resource, scope]) AS both_types,
                    both_texts[1] AS ResourceAttributes, both_types[1] AS ResourceAttributeTypes,
                    both_texts[2] AS ScopeAttributes, both_types[2] AS ScopeAttributeTypes,
                    leyden_names(mapKeys(ResourceAttributes), mapValues(ResourceAttributes), resource.value.value) AS resource_names
                FROM otlp_trace_requests
                ARRAY JOIN
                    `resource_spans.resource.attributes` AS resource,
                    `resource_spans.resource.dropped_attributes_count` AS ResourceDroppedAttributes,
                    `resource_spans.schema_url` AS ResourceSchemaUrl,
                    `resource_spans.scope_spans.scope.name` AS in_ScopeName,
                    `resource_spans.scope_spans.scope.version` AS in_ScopeVersion,
                    `resource_spans.scope_spans.scope.attributes` AS in_scope,
                    `resource_spans.scope_spans.scope.dropped_attributes_count` AS in_ScopeDroppedAttributes,
                    `resource_spans.scope_spans.schema_url` AS in_ScopeSchemaUrl,
                    `resource_spans.scope_spans.spans.trace_id` AS in_trace_id,
                    `resource_spans.scope_spans.spans.span_id` AS in_span_id,
                    `resource_spans.scope_spans.spans.trace_state` AS in_TraceState,
                    `resource_spans.scope_spans.spans.parent_span_id` AS in_parent_span_id,
                    `resource_spans.scope_spans.spans.name` AS in_SpanName,
                    `resource_spans.scope_spans.spans.kind` AS in_kind,
                    `resource_spans.scope_spans.spans.start_time_unix_nano` AS in_start,
                    `resource_spans.scope_spans.spans.end_time_unix_nano` AS in_end,
                    `resource_spans.scope_spans.spans.attributes` AS in_attributes,
                    `resource_spans.scope_spans.spans.dropped_attributes_count` AS in_DroppedAttributes,
                    `resource_spans.scope_spans.spans.events.time_unix_nano` AS in_event_times,
                    `resource_spans.scope_spans.spans.events.name` AS in_event_names,
                    `resource_spans.scope_spans.spans.events.attributes` AS in_event_attributes,
                    `resource_spans.scope_spans.spans.events.dropped_attributes_count` AS in_EventDroppedAttributes,
                    `resource_spans.scope_spans.spans.dropped_events_count` AS in_DroppedEvents,
                    `resource_spans.scope_spans.spans.links.trace_id` AS in_link_trace_ids,
                    `resource_spans.scope_spans.spans.links.span_id` AS in_link_span_ids,
                    `resource_spans.scope_spans.spans.links.trace_state` AS in_link_states,
                    `resource_spans.scope_spans.spans.links.attributes` AS in_link_attributes,
                    `resource_spans.scope_spans.spans.links.dropped_attributes_count` AS in_LinkDroppedAttributes,
                    `resource_spans.scope_spans.spans.links.flags` AS in_LinkFlags,
                    `resource_spans.scope_spans.spans.dropped_links_count` AS in_DroppedLinks,
                    `resource_spans.scope_spans.spans.flags` AS in_Flags,
                    `resource_spans.scope_spans.spans.status.code` AS in_status,
                    `resource_spans.scope_spans.spans.status.message` AS in_StatusMessage
                ARRAY JOIN
                    in_ScopeName AS ScopeName,
                    in_ScopeVersion AS ScopeVersion,
                    in_scope AS scope,
                    in_ScopeDroppedAttributes AS ScopeDroppedAttributes,
                    in_ScopeSchemaUrl AS ScopeSchemaUrl,
                    in_trace_id AS trace_id,
                    in_span_id AS span_id,
                    in_TraceState AS TraceState,
                    in_parent_span_id AS parent_span_id,
                    in_SpanName AS SpanName,
                    in_kind AS kind,
                    in_start AS start,
                    in_end AS end,
                    in_attributes AS attributes,
                    in_DroppedAttributes AS DroppedAttributes,
                    in_event_times AS event_times,
                    in_event_names AS event_names,
                    in_event_attributes AS event_attributes,
                    in_EventDroppedAttributes AS EventDroppedAttributes,
                    in_DroppedEvents AS DroppedEvents,
                    in_link_trace_ids AS link_trace_ids,
                    in_link_span_ids AS link_span_ids,
                    in_link_states AS link_states,
                    in_link_attributes AS link_attributes,
                    in_LinkDroppedAttributes AS LinkDroppedAttributes,
                    in_LinkFlags AS LinkFlags,
                    in_DroppedLinks AS DroppedLinks,
                    in_Flags AS Flags,
                    in_status AS status,
                    in_StatusMessage AS StatusMessage
            )
            ARRAY JOIN
                trace_id, span_id, TraceState, parent_span_id, SpanName, kind, start, end, attributes,
                DroppedAttributes, event_times, event_names, event_attributes, EventDroppedAttributes,
                DroppedEvents, link_trace_ids, link_span_ids, link_states, link_attributes, LinkDroppedAttributes,
                LinkFlags, DroppedLinks, Flags, status, StatusMessage
        )
    )
);

-- OTLP in: ClickHouse parses the protobuf itself. An insert into `otlp_traces` (engine Null: it keeps nothing) in
-- FORMAT Protobuf with schema/otlp_traces.proto is flattened by a view into `otel_traces`. No Python touches a span.
--
-- The functions are macros: ClickHouse expands them where a view is created, and they are dropped at the end.

-- An attribute's value as text: strings as they are, arrays as JSON, bytes and kvlists as base64 of their encoding.
CREATE OR REPLACE FUNCTION leyden_double AS (d) ->
    multiIf(isNaN(d), 'NaN', isInfinite(d), if(d > 0, 'Infinity', '-Infinity'),
            match(toString(d), '[.e]'), toString(d), concat(toString(d), '.0'));

CREATE OR REPLACE FUNCTION leyden_element AS (e) ->
    multiIf((e).value = 'string_value', toJSONString((e).string_value),
            (e).value = 'int_value', toString((e).int_value),
            (e).value = 'double_value', leyden_double((e).double_value),
            (e).value = 'bool_value', if((e).bool_value, 'true', 'false'),
            (e).value = 'array_value', concat('{"array_value":"', base64Encode((e).array_value), '"}'),
            (e).value = 'kvlist_value', concat('{"kvlist_value":"', base64Encode((e).kvlist_value), '"}'),
            (e).value = 'bytes_value', concat('{"bytes_value":"', base64Encode((e).bytes_value), '"}'),
            'null');

CREATE OR REPLACE FUNCTION leyden_text AS (v) ->
    multiIf((v).value = 'string_value', (v).string_value,
            (v).value = 'int_value', toString((v).int_value),
            (v).value = 'double_value', leyden_double((v).double_value),
            (v).value = 'bool_value', if((v).bool_value, 'true', 'false'),
            (v).value = 'array_value', concat('[', arrayStringConcat(arrayMap(e -> leyden_element(e), (v).array_value.values), ','), ']'),
            (v).value = 'kvlist_value', base64Encode((v).kvlist_value),
            (v).value = 'bytes_value', base64Encode((v).bytes_value),
            '');

CREATE OR REPLACE FUNCTION leyden_texts AS (attributes) ->
    CAST((arrayMap(a -> a.key, attributes), arrayMap(a -> leyden_text(a.value), attributes)),
         'Map(LowCardinality(String), String)');

CREATE OR REPLACE FUNCTION leyden_types AS (attributes) ->
    CAST((arrayMap(a -> a.key, arrayFilter(a -> a.value.value != 'string_value', attributes)),
          arrayMap(a -> toString(a.value.value), arrayFilter(a -> a.value.value != 'string_value', attributes))),
         'Map(LowCardinality(String), LowCardinality(String))');

-- Token arrays have columns of their own; what is none (a text, an empty list, mixed types) stays an attribute.
CREATE OR REPLACE FUNCTION leyden_is_token_array AS (attribute) ->
    (attribute).key IN ('leyden.prompt_token_ids', 'leyden.response_token_ids', 'leyden.response_logprobs')
    AND notEmpty((attribute).value.array_value.values)
    AND arrayAll(e -> e.value = 'int_value' OR (e.value = 'double_value' AND (attribute).key = 'leyden.response_logprobs'),
                 (attribute).value.array_value.values);

-- Messages, tool schemas, arguments and results, under every convention's names; and whatever is long.
CREATE OR REPLACE FUNCTION leyden_is_content AS (key, text) ->
    length(text) > 512
    OR key IN ('gen_ai.input.messages', 'gen_ai.output.messages', 'gen_ai.system_instructions', 'gen_ai.tool.definitions',
               'gen_ai.tool.call.arguments', 'gen_ai.tool.call.result', 'gen_ai.prompt', 'gen_ai.completion',
               'input.value', 'output.value', 'traceloop.entity.input', 'traceloop.entity.output',
               'gen_ai.task.input', 'gen_ai.task.output', 'ai.prompt', 'ai.prompt.messages', 'ai.prompt.tools',
               'ai.response.text', 'ai.response.toolCalls', 'ai.response.object', 'ai.toolCall.args', 'ai.toolCall.result',
               'langfuse.observation.input', 'langfuse.observation.output', 'langfuse.trace.input', 'langfuse.trace.output',
               'mlflow.spanInputs', 'mlflow.spanOutputs', 'pydantic_ai.all_messages', 'all_messages_events', 'events',
               'tool_arguments', 'tool_response', 'agentlightning.operation.input', 'agentlightning.operation.output')
    OR startsWith(key, 'llm.input_messages.') OR startsWith(key, 'llm.output_messages.') OR startsWith(key, 'llm.tools.')
    OR startsWith(key, 'gen_ai.prompt.') OR startsWith(key, 'gen_ai.completion.') OR startsWith(key, 'llm.request.functions.')
    OR startsWith(key, 'leyden.choice.');

-- The few attributes that feed the typed columns: picked out once, so that each lookup scans a handful.
CREATE OR REPLACE FUNCTION leyden_named AS (texts) ->
    mapFilter((k, v) -> v != '' AND k IN (
        'leyden.project', 'leyden.rollout.id', 'leyden.group.id', 'leyden.attempt', 'leyden.policy.version',
        'agentlightning.rollout_id', 'agentlightning.attempt_id',
        'gen_ai.operation.name', 'gen_ai.request.model', 'gen_ai.response.model', 'gen_ai.agent.name', 'gen_ai.conversation.id',
        'gen_ai.usage.input_tokens', 'gen_ai.usage.output_tokens', 'gen_ai.usage.prompt_tokens', 'gen_ai.usage.completion_tokens',
        'openinference.span.kind', 'llm.model_name', 'llm.token_count.prompt', 'llm.token_count.completion', 'agent.name', 'session.id',
        'llm.request.type', 'traceloop.span.kind', 'traceloop.entity.name',
        'traceloop.association.properties.session_id', 'traceloop.association.properties.thread_id',
        'ai.operationId', 'ai.model.id', 'ai.usage.promptTokens', 'ai.usage.completionTokens', 'ai.telemetry.metadata.sessionId',
        'langfuse.observation.type', 'langfuse.observation.model.name', 'langfuse.session.id',
        'mlflow.spanType', 'mlflow.llm.model', 'mlflow.trace.session'), texts);

CREATE OR REPLACE FUNCTION leyden_first AS (a, b, c, d, e, f) ->
    multiIf(a != '', a, b != '', b, c != '', c, d != '', d, e != '', e, f);

-- What kind of work a span did, in the words of gen_ai.operation.name.
CREATE OR REPLACE FUNCTION leyden_operation AS (named) ->
    multiIf(
        named['gen_ai.operation.name'] != '', named['gen_ai.operation.name'],
        named['openinference.span.kind'] != '',
            transform(named['openinference.span.kind'],
                      ['LLM', 'TOOL', 'AGENT', 'CHAIN', 'EMBEDDING', 'RETRIEVER', 'RERANKER'],
                      ['chat', 'execute_tool', 'invoke_agent', 'invoke_workflow', 'embeddings', 'retrieval', 'rerank'],
                      lower(named['openinference.span.kind'])),
        named['llm.request.type'] != '', transform(named['llm.request.type'], ['completion', 'embedding'], ['text_completion', 'embeddings'], named['llm.request.type']),
        named['traceloop.span.kind'] != '',
            transform(named['traceloop.span.kind'], ['tool', 'agent', 'workflow', 'task'], ['execute_tool', 'invoke_agent', 'invoke_workflow', 'execute_task'], named['traceloop.span.kind']),
        named['ai.operationId'] != '',
            multiIf(endsWith(named['ai.operationId'], '.doGenerate') OR endsWith(named['ai.operationId'], '.doStream'), 'chat',
                    named['ai.operationId'] = 'ai.toolCall', 'execute_tool',
                    startsWith(named['ai.operationId'], 'ai.embed'), 'embeddings', 'invoke_agent'),
        named['langfuse.observation.type'] != '',
            transform(named['langfuse.observation.type'], ['generation', 'tool', 'agent', 'embedding', 'retriever'], ['chat', 'execute_tool', 'invoke_agent', 'embeddings', 'retrieval'], ''),
        named['mlflow.spanType'] != '',
            transform(replaceAll(named['mlflow.spanType'], '"', ''), ['CHAT_MODEL', 'LLM', 'TOOL', 'AGENT', 'EMBEDDING', 'RETRIEVER'], ['chat', 'chat', 'execute_tool', 'invoke_agent', 'embeddings', 'retrieval'], ''),
        '');

CREATE OR REPLACE FUNCTION leyden_time AS (unix_nano) ->
    fromUnixTimestamp64Nano(toInt64(least(unix_nano, 9223372036854775807)));

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

DROP FUNCTION IF EXISTS leyden_time;
DROP FUNCTION IF EXISTS leyden_operation;
DROP FUNCTION IF EXISTS leyden_first;
DROP FUNCTION IF EXISTS leyden_named;
DROP FUNCTION IF EXISTS leyden_is_content;
DROP FUNCTION IF EXISTS leyden_is_token_array;
DROP FUNCTION IF EXISTS leyden_types;
DROP FUNCTION IF EXISTS leyden_texts;
DROP FUNCTION IF EXISTS leyden_text;
DROP FUNCTION IF EXISTS leyden_element;
DROP FUNCTION IF EXISTS leyden_double;

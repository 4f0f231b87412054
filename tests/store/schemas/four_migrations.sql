-- The schema of a store made before definitions were apart from migrations, as its four migrations made it.
-- Spans: the OpenTelemetry ClickHouse exporter's columns with the exporter's names and types, so that Grafana's data
-- source and other tools read the table untouched, then typed columns of ours.
--
-- One trace is one granule: ordered by (project, hour, trace, span), partitioned by day. A retried export folds away in
-- merges; readers deduplicate by (TraceId, SpanId) because merges come later.

CREATE TABLE IF NOT EXISTS otel_traces
(
    Timestamp          DateTime64(9) CODEC(Delta, ZSTD(1)),
    TraceId            String CODEC(ZSTD(1)),
    SpanId             String CODEC(ZSTD(1)),
    ParentSpanId       String CODEC(ZSTD(1)),
    TraceState         String CODEC(ZSTD(1)),
    SpanName           LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind           LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName        LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName          String CODEC(ZSTD(1)),
    ScopeVersion       String CODEC(ZSTD(1)),
    SpanAttributes     Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration           UInt64 CODEC(ZSTD(1)),
    StatusCode         LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage      String CODEC(ZSTD(1)),
    Events Nested
    (
        Timestamp  DateTime64(9),
        Name       LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested
    (
        TraceId    String,
        SpanId     String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),

    -- What a list, a filter or a chart asks for, whatever the dialect.
    Project        LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
    RolloutId      String CODEC(ZSTD(1)),
    GroupId        String CODEC(ZSTD(1)),
    Attempt        Nullable(Int32) CODEC(ZSTD(1)),
    SessionId      String CODEC(ZSTD(1)),
    PolicyVersion  LowCardinality(String) CODEC(ZSTD(1)),
    Operation      LowCardinality(String) CODEC(ZSTD(1)),
    Model          LowCardinality(String) CODEC(ZSTD(1)),
    AgentName      LowCardinality(String) CODEC(ZSTD(1)),
    InputTokens    UInt32 CODEC(ZSTD(1)),
    OutputTokens   UInt32 CODEC(ZSTD(1)),

    -- Token arrays, exact as sent; empty where the capture has none.
    PromptTokenIds   Array(Int32) CODEC(ZSTD(1)),
    ResponseTokenIds Array(Int32) CODEC(ZSTD(1)),
    ResponseLogprobs Array(Float64) CODEC(ZSTD(1)),

    -- Attributes too heavy to sit beside the small ones (messages, tool schemas and results, anything long):
    -- reading one small key from a map that also holds messages costs two hundred times as much.
    Content Map(LowCardinality(String), String) CODEC(ZSTD(1)),

    -- The OTLP type (int_value, bool_value, …; absent for an empty value) of every attribute that is no string, so that
    -- 0, false and [] come back as they were sent.
    SpanAttributeTypes     Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    ResourceAttributeTypes Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)),
    EventAttributeTypes    Array(Map(LowCardinality(String), LowCardinality(String))) CODEC(ZSTD(1)),
    LinkAttributeTypes     Array(Map(LowCardinality(String), LowCardinality(String))) CODEC(ZSTD(1)),
    DroppedAttributes      UInt32 CODEC(ZSTD(1)),

    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_rollout_id RolloutId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (Project, toStartOfHour(Timestamp), TraceId, SpanId)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

-- When a trace was: what Grafana's data source reads to find a trace by id without a scan.
CREATE TABLE IF NOT EXISTS otel_traces_trace_id_ts
(
    TraceId String CODEC(ZSTD(1)),
    Start   SimpleAggregateFunction(min, DateTime64(9)) CODEC(Delta, ZSTD(1)),
    End     SimpleAggregateFunction(max, DateTime64(9)) CODEC(Delta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toMonday(Start)
ORDER BY TraceId
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS otel_traces_trace_id_ts_mv TO otel_traces_trace_id_ts AS
SELECT TraceId, min(Timestamp) AS Start, max(addNanoseconds(Timestamp, Duration)) AS End
FROM otel_traces
WHERE TraceId != ''
GROUP BY TraceId, toMonday(Timestamp);

-- One row a trace for lists. Every column is idempotent under retries: min, max, uniq, argMin; sums are not.
CREATE TABLE IF NOT EXISTS traces
(
    Project     LowCardinality(String) CODEC(ZSTD(1)),
    Hour        DateTime CODEC(Delta, ZSTD(1)),
    TraceId     String CODEC(ZSTD(1)),
    Start       SimpleAggregateFunction(min, DateTime64(9)) CODEC(ZSTD(1)),
    End         SimpleAggregateFunction(max, DateTime64(9)) CODEC(ZSTD(1)),
    RootName    AggregateFunction(argMin, String, Tuple(UInt8, DateTime64(9))) CODEC(ZSTD(1)),
    ServiceName AggregateFunction(argMin, String, Tuple(UInt8, DateTime64(9))) CODEC(ZSTD(1)),
    RolloutId   SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    GroupId     SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    SessionId   SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    AgentName   SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    Spans       AggregateFunction(uniq, String) CODEC(ZSTD(1)),
    LlmSpans    AggregateFunction(uniqIf, String, UInt8) CODEC(ZSTD(1)),
    Errors      AggregateFunction(uniqIf, String, UInt8) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toMonday(Hour)
ORDER BY (Project, Hour, TraceId)
SETTINGS non_replicated_deduplication_window = 1000;

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
    uniqState(SpanId) AS Spans,
    uniqIfState(SpanId, toUInt8(Operation IN ('chat', 'generate_content', 'text_completion'))) AS LlmSpans,
    uniqIfState(SpanId, toUInt8(StatusCode = 'Error')) AS Errors
FROM otel_traces
GROUP BY Project, Hour, TraceId;
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
-- Rewards: one row a score, from spans (gen_ai.evaluation.result) by the view, from outside through the API.
-- A rollout's reward has no SpanId of an LLM span; the reader decides by the tree. The newest of a key wins.

CREATE TABLE IF NOT EXISTS rewards
(
    Project     LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
    RolloutId   String CODEC(ZSTD(1)),
    TraceId     String CODEC(ZSTD(1)),
    SpanId      String CODEC(ZSTD(1)),
    ResponseId  String CODEC(ZSTD(1)),
    Name        LowCardinality(String) CODEC(ZSTD(1)),
    Source      LowCardinality(String) CODEC(ZSTD(1)),
    Value       Float64 CODEC(ZSTD(1)),
    Label       String CODEC(ZSTD(1)),
    Explanation String CODEC(ZSTD(1)),
    Timestamp   DateTime64(9) CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(Timestamp)
ORDER BY (Project, RolloutId, TraceId, SpanId, ResponseId, Name, Source)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS rewards_mv TO rewards AS
SELECT
    Project,
    RolloutId,
    TraceId,
    SpanId,
    event.2['gen_ai.response.id'] AS ResponseId,
    if(event.2['gen_ai.evaluation.name'] != '', event.2['gen_ai.evaluation.name'], 'reward') AS Name,
    'span' AS Source,
    toFloat64OrNull(event.2['gen_ai.evaluation.score.value']) AS Value,
    event.2['gen_ai.evaluation.score.label'] AS Label,
    event.2['gen_ai.evaluation.explanation'] AS Explanation,
    event.3 AS Timestamp
FROM
(
    SELECT Project, RolloutId, TraceId, SpanId,
           arrayJoin(arrayFilter(e -> e.1 = 'gen_ai.evaluation.result',
                                 arrayZip(`Events.Name`, `Events.Attributes`, `Events.Timestamp`))) AS event
    FROM otel_traces
)
WHERE isNotNull(toFloat64OrNull(event.2['gen_ai.evaluation.score.value']));
-- What people make from traces: saved queries, data sets, training runs, checkpoints. Rows are appended; the newest wins.

CREATE TABLE IF NOT EXISTS saved_queries
(
    Project     LowCardinality(String) DEFAULT 'default',
    Name        String,
    Version     UInt32,
    Sql         String,
    Description String,
    Owner       String,
    CreatedAt   DateTime64(3),
    Deleted     Bool DEFAULT false
)
ENGINE = ReplacingMergeTree(CreatedAt)
ORDER BY (Project, Name, Version);

CREATE TABLE IF NOT EXISTS datasets
(
    Project      LowCardinality(String) DEFAULT 'default',
    DatasetId    String,
    Format       LowCardinality(String),
    Path         String,
    Query        String,
    QueryVersion UInt32,
    Sql          String,
    Rows         UInt64,
    Spans        UInt64,
    Sha256       String,
    Report       String CODEC(ZSTD(1)),
    CreatedAt    DateTime64(3)
)
ENGINE = ReplacingMergeTree(CreatedAt)
ORDER BY (Project, DatasetId);

CREATE TABLE IF NOT EXISTS runs
(
    Project      LowCardinality(String) DEFAULT 'default',
    RunId        String,
    Trainer      LowCardinality(String),
    Status       LowCardinality(String),
    Query        String,
    QueryVersion UInt32,
    Sql          String,
    Model        String,
    Config       String CODEC(ZSTD(1)),
    Report       String CODEC(ZSTD(1)),
    Spans        UInt64,
    SpansHash    String,
    Checkpoint   String,
    Metrics      String CODEC(ZSTD(1)),
    Error        String,
    CodeVersion  String,
    StartedAt    DateTime64(3),
    EndedAt      Nullable(DateTime64(3)),
    UpdatedAt    DateTime64(6)
)
ENGINE = ReplacingMergeTree(UpdatedAt)
ORDER BY (Project, RunId);

-- The spans a run or a data set was made of: lineage, both ways.
CREATE TABLE IF NOT EXISTS lineage
(
    Kind      LowCardinality(String),
    SubjectId String,
    TraceId   String,
    SpanId    String,
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (Kind, SubjectId, TraceId, SpanId);

CREATE TABLE IF NOT EXISTS run_metrics
(
    RunId     String,
    Step      UInt32,
    Name      LowCardinality(String),
    Value     Float64,
    Timestamp DateTime64(3)
)
ENGINE = ReplacingMergeTree(Timestamp)
ORDER BY (RunId, Name, Step);

CREATE TABLE IF NOT EXISTS checkpoints
(
    Project       LowCardinality(String) DEFAULT 'default',
    CheckpointId  String,
    RunId         String,
    Path          String,
    Sha256        String,
    PolicyVersion String,
    CreatedAt     DateTime64(3)
)
ENGINE = ReplacingMergeTree(CreatedAt)
ORDER BY (Project, CheckpointId);

-- What the views of this folder share. ClickHouse expands these where a view is created; they are dropped afterwards. The
-- migration gives them names of the database's own meanwhile, because functions belong to the whole server.

-- An attribute's value as text: strings as they are, arrays as JSON, bytes and kvlists as base64 of their encoding.
CREATE OR REPLACE FUNCTION leyden_double AS (d) ->
    transform(replaceRegexpOne(toString(d), '^-?[0-9]+$', '\\0.0'), ['nan', 'inf', '-inf'], ['NaN', 'Infinity', '-Infinity']);

CREATE OR REPLACE FUNCTION leyden_element AS (e) ->
    multiIf((e).value = 'string_value', toJSONString((e).string_value),
            (e).value = 'int_value', toString((e).int_value),
            (e).value = 'double_value', leyden_double((e).double_value),
            (e).value = 'bool_value', toString((e).bool_value),
            (e).value = 'absent', 'null',
            concat('{"', toString((e).value), '":"', base64Encode(concat((e).array_value, (e).kvlist_value, (e).bytes_value)), '"}'));

-- Of a kvlist and bytes one is set, and neither where the value is absent.
CREATE OR REPLACE FUNCTION leyden_text AS (v) ->
    multiIf((v).value = 'string_value', (v).string_value,
            (v).value = 'int_value', toString((v).int_value),
            (v).value = 'bool_value', toString((v).bool_value),
            (v).value = 'double_value', leyden_double((v).double_value),
            (v).value = 'array_value', concat('[', arrayStringConcat(arrayMap(e -> leyden_element(e), (v).array_value.values), ','), ']'),
            base64Encode(concat((v).kvlist_value, (v).bytes_value)));

CREATE OR REPLACE FUNCTION leyden_map AS (keys, texts) ->
    CAST((keys, texts), 'Map(LowCardinality(String), String)');

CREATE OR REPLACE FUNCTION leyden_texts AS (attributes) ->
    leyden_map((attributes).key, arrayMap(v -> leyden_text(v), (attributes).value));

CREATE OR REPLACE FUNCTION leyden_types AS (attributes) ->
    CAST(arrayMap(a -> (a.key, a.value.value), arrayFilter(a -> a.value.value != 'string_value', attributes)),
         'Map(LowCardinality(String), LowCardinality(String))');

-- Token arrays have columns of their own; what is none (a text, an empty list, mixed types) stays an attribute.
CREATE OR REPLACE FUNCTION leyden_is_token_array AS (key, list) ->
    key IN ('leyden.prompt_token_ids', 'leyden.response_token_ids', 'leyden.response_logprobs')
    AND notEmpty(list)
    AND arrayAll(e -> e.value = 'int_value' OR (e.value = 'double_value' AND key = 'leyden.response_logprobs'), list);

-- Token ids as text: three bytes an id, little-endian, in base64, so that four characters are one id. The text is cut first:
-- a lambda that looks into the whole text would copy it for every id.
CREATE OR REPLACE FUNCTION leyden_is_packed AS (key, text) ->
    key IN ('leyden.prompt_token_ids.packed', 'leyden.response_token_ids.packed') AND text != '' AND length(text) % 4 = 0
    AND match(text, '^[A-Za-z0-9+/]+$');

CREATE OR REPLACE FUNCTION leyden_unpack AS (packed) ->
    arrayMap(four -> toInt32(reinterpretAsUInt32(base64Decode(four))), extractAll(packed, '.{4}'));

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
    OR match(key, '^((llm\\.(input_messages|output_messages|tools|request\\.functions)|leyden\\.choice)\\.|gen_ai\\.(prompt|completion)\\.[0-9])');

-- The few attributes that feed the typed columns: picked out once, so that each lookup scans a handful. A name is a text
-- or a whole number; true, 0.5 or a list names nothing.
CREATE OR REPLACE FUNCTION leyden_names AS (keys, texts, kinds) ->
    arrayFilter(n -> n.2 != '' AND n.3 IN ('string_value', 'int_value') AND n.1 IN (
        'leyden.project', 'leyden.rollout.id', 'leyden.group.id', 'leyden.attempt', 'leyden.policy.version',
        'agentlightning.rollout_id', 'agentlightning.attempt_id',
        'gen_ai.operation.name', 'gen_ai.request.model', 'gen_ai.response.model', 'gen_ai.agent.name', 'gen_ai.conversation.id',
        'gen_ai.usage.input_tokens', 'gen_ai.usage.output_tokens', 'gen_ai.usage.prompt_tokens', 'gen_ai.usage.completion_tokens',
        'openinference.span.kind', 'llm.model_name', 'llm.token_count.prompt', 'llm.token_count.completion', 'agent.name', 'session.id', 'user.id', 'enduser.id',
        'llm.request.type', 'traceloop.span.kind', 'traceloop.entity.name',
        'traceloop.association.properties.session_id', 'traceloop.association.properties.thread_id', 'traceloop.association.properties.user_id',
        'ai.operationId', 'ai.model.id', 'ai.usage.promptTokens', 'ai.usage.completionTokens', 'ai.telemetry.metadata.sessionId', 'ai.telemetry.metadata.userId',
        'langfuse.observation.type', 'langfuse.observation.model.name', 'langfuse.session.id', 'langfuse.user.id',
        'mlflow.spanType', 'mlflow.llm.model', 'mlflow.trace.session', 'mlflow.trace.user'),
        arrayZip(keys, texts, kinds));

-- Whether a span belongs to what was erased. Where nothing was, the planner sees it and asks for no set.
CREATE OR REPLACE FUNCTION leyden_is_erased AS (trace_id, rollout_id, session_id) ->
    ((SELECT count() > 0 FROM tombstones)
     AND (sipHash64(trace_id) IN (SELECT Hash FROM tombstones WHERE Kind = 'trace')
          OR (rollout_id != '' AND sipHash64(rollout_id) IN (SELECT Hash FROM tombstones WHERE Kind = 'rollout'))
          OR (session_id != '' AND sipHash64(session_id) IN (SELECT Hash FROM tombstones WHERE Kind = 'session'))));

-- What kind of work a span did, in the words of gen_ai.operation.name.
CREATE OR REPLACE FUNCTION leyden_operation AS (named) ->
    firstNonDefault(
        named['gen_ai.operation.name'],
        transform(named['openinference.span.kind'],
                  ['LLM', 'TOOL', 'AGENT', 'CHAIN', 'EMBEDDING', 'RETRIEVER', 'RERANKER'],
                  ['chat', 'execute_tool', 'invoke_agent', 'invoke_workflow', 'embeddings', 'retrieval', 'rerank'],
                  lower(named['openinference.span.kind'])),
        transform(named['llm.request.type'], ['completion', 'embedding'], ['text_completion', 'embeddings']),
        transform(named['traceloop.span.kind'], ['tool', 'agent', 'workflow', 'task'],
                  ['execute_tool', 'invoke_agent', 'invoke_workflow', 'execute_task']),
        multiIf(named['ai.operationId'] = '', '', match(named['ai.operationId'], '\\.do(Generate|Stream)$'), 'chat',
                named['ai.operationId'] = 'ai.toolCall', 'execute_tool',
                startsWith(named['ai.operationId'], 'ai.embed'), 'embeddings', 'invoke_agent'),
        transform(named['langfuse.observation.type'], ['generation', 'tool', 'agent', 'embedding', 'retriever'],
                  ['chat', 'execute_tool', 'invoke_agent', 'embeddings', 'retrieval'], ''),
        transform(replaceAll(named['mlflow.spanType'], '"', ''), ['CHAT_MODEL', 'LLM', 'TOOL', 'AGENT', 'EMBEDDING', 'RETRIEVER'],
                  ['chat', 'chat', 'execute_tool', 'invoke_agent', 'embeddings', 'retrieval'], ''));

CREATE OR REPLACE FUNCTION leyden_of_place AS (values, places, place) -> arrayFilter((x, p) -> p = place, values, places);

CREATE OR REPLACE FUNCTION leyden_time AS (unix_nano) ->
    fromUnixTimestamp64Nano(toInt64(least(unix_nano, 9223372036854775807)));

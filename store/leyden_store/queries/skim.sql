-- What training needs of some traces' spans: tokens, places, rewards, and of each LLM call whether its content is whole,
-- without the content. Asked by `skim` in batches; keyed like spans.sql. In no order, and a span twice where it is stored
-- twice: the reader sorts what is small of a row, where a sort here would move its tokens too.
WITH
    -- Of each message a text holds whether it is an object with parts; empty where it holds anything else. Taken out as a
    -- whole, which reads the text once; what is no such object comes out without parts.
    (text -> arrayMap(one -> notEmpty(one.1), JSONExtract(text, 'Array(Tuple(parts Array(Tuple(type String))))'))) AS messages_in,
    -- Whether a text holds tool definitions, none with JSON in its JSON.
    (text -> notEmpty(JSONExtractArrayRaw(text)) AND arrayAll(one -> startsWith(one, '{')
                AND JSONType(one, 'parameters') != 'String' AND JSONType(one, 'input_schema') != 'String'
                AND JSONType(one, 'function', 'parameters') != 'String' AND JSONType(one, 'function', 'input_schema') != 'String',
             JSONExtractArrayRaw(text))) AS are_tools,
    -- Whether no value that must be JSON is anything else. Values are touched only where there is such a key.
    (key -> endsWith(key, '.parameters') AND position(key, '.functions.') > 0) AS is_function,
    (pairs -> if(arrayExists(is_function, mapKeys(pairs)), arrayAll((key, text) -> NOT is_function(key) OR isValidJSON(text),
        mapKeys(pairs), mapValues(pairs)), 1)) AS are_whole,
    (text -> text = '' OR match(text, '^\\[[0-9]{1,9}(,[0-9]{1,9})*\\]$')) AS are_ids,
    ['gen_ai.operation.name', 'openinference.span.kind', 'llm.request.type', 'traceloop.span.kind', 'ai.operationId',
     'langfuse.observation.type', 'mlflow.spanType', 'agentops.span.kind', 'logfire.span_type'] AS markers,
    ['gen_ai.agent.name', 'agent.name', 'graph.node.id', 'operation.name', 'traceloop.entity.name'] AS agent_names,
    Content['gen_ai.input.messages'] AS asked,
    Content['gen_ai.output.messages'] AS said,
    Content['gen_ai.tool.definitions'] AS tools,
    Content['gen_ai.system_instructions'] AS instructions,
    -- Agent Lightning's names for the ids, where the columns hold none; short arrays are no content.
    if(empty(PromptTokenIds), concat(SpanAttributes['prompt_token_ids'], Content['prompt_token_ids']), '') AS own_prompt,
    if(empty(ResponseTokenIds), concat(SpanAttributes['response_token_ids'], Content['response_token_ids']), '') AS own_response,
    has(`Events.Name`, 'gen_ai.evaluation.result') OR mapContains(SpanAttributes, 'gen_ai.evaluation.score.value')
        OR mapContains(SpanAttributes, 'agentlightning.reward.0.value') AS rewarded
SELECT
    TraceId, SpanId, ParentSpanId, SpanName, ScopeName, toUnixTimestamp64Nano(Timestamp) AS StartNs, Duration,
    RolloutId, GroupId, Attempt, PolicyVersion,
    -- Names are joined, so that rows are told apart by texts; how many there are comes first, since a name may hold a break.
    arrayStringConcat(arrayConcat([toString(length(SpanAttributes) + length(Content))], mapKeys(SpanAttributes), mapKeys(Content)),
        '\n') AS Keys,
    arrayStringConcat(arrayMap(key -> CAST(SpanAttributes[key], 'String'), markers), '\n') AS Markers,
    arrayStringConcat(arrayConcat([toString(length(`Events.Name`))], `Events.Name`), '\n') AS EventNames,
    arrayMap(key -> SpanAttributes[key], agent_names) AS AgentNames,
    -- A name or a mark that is no text, or too long to stand among the small attributes, or events among the log
    -- records: reading decides.
    hasAny(mapKeys(SpanAttributeTypes), arrayConcat(markers, agent_names))
        OR hasAny(mapKeys(Content), arrayConcat(markers, agent_names))
        OR (TraceId, SpanId) IN (SELECT TraceId, SpanId FROM otel_logs
                                 WHERE TraceId IN splitByChar(',', {trace_ids:String}) AND EventName != '') AS Odd,
    StatusCode != 'Error' AND DroppedAttributes = 0
        AND NOT has(mapValues(SpanAttributeTypes), 'bytes_value')
        AND NOT hasAny(mapKeys(SpanAttributeTypes),
            ['gen_ai.input.messages', 'gen_ai.output.messages', 'gen_ai.tool.definitions', 'gen_ai.system_instructions',
             'gen_ai.response.id', 'gen_ai.completion.0.finish_reason'])
        AND (asked = '' OR arrayMin(messages_in(asked)) = 1)
        AND (said = '' OR messages_in(said) = [1])
        AND (tools = '' OR are_tools(tools))
        AND (instructions = '' OR JSONType(instructions) = 'Array')
        AND are_whole(mapConcat(SpanAttributes, Content))
        AND are_ids(own_prompt) AND are_ids(own_response) AS Plain,
    if(mapContains(SpanAttributes, 'gen_ai.response.finish_reasons'), SpanAttributes['gen_ai.response.finish_reasons'],
       Content['gen_ai.completion.0.finish_reason']) AS Finish,
    SpanAttributes['gen_ai.response.id'] AS ResponseId,
    if(own_prompt = '', PromptTokenIds, JSONExtract(own_prompt, 'Array(Int32)')) AS PromptIds,
    if(own_response = '', ResponseTokenIds, JSONExtract(own_response, 'Array(Int32)')) AS ResponseIds,
    ResponseLogprobs,
    if(rewarded, mapConcat(SpanAttributes, Content), map()) AS Attributes, SpanAttributeTypes,
    if(rewarded, arrayMap(t -> toUnixTimestamp64Nano(t), `Events.Timestamp`), []) AS EventTimes,
    if(rewarded, `Events.Attributes`, []) AS EventAttributes, if(rewarded, EventAttributeTypes, []) AS EventTypes
FROM otel_traces
WHERE TraceId IN splitByChar(',', {trace_ids:String})
  AND Timestamp >= fromUnixTimestamp64Nano({start_ns:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({end_ns:Int64})

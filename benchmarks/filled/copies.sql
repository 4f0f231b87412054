-- One copy of the generator's spans, whole traces, with ids and times of their own, so many that a store looks lived in:
-- four projects (one of them training: policy versions, log-probabilities, groups), eight services, twelve agents, eight
-- models, twenty tools, an error in fifty spans. It lies `{start}` hours before the generator's, over
-- `{width}` hours.
INSERT INTO otel_traces
SELECT * EXCEPT (lot, chance, hours) REPLACE
(
    Timestamp - toIntervalHour(hours) AS Timestamp,
    lower(hex(MD5(concat(TraceId, '{copy}')))) AS TraceId,
    lower(hex(sipHash64(concat(SpanId, '{copy}')))) AS SpanId,
    if(ParentSpanId = '', '', lower(hex(sipHash64(concat(ParentSpanId, '{copy}'))))) AS ParentSpanId,
    multiIf(Operation = 'chat', concat('chat ', ['gpt-4o', 'gpt-4o-mini', 'gpt-5-mini', 'gpt-4.1', 'claude-sonnet-4-5', 'gemini-2.5-flash', 'gpt-5', 'policy'][lot % 8 + 1]),
            Operation = 'execute_tool', concat('execute_tool tool_', toString(chance % 20)),
            concat('invoke_agent agent-', toString(lot % 12))) AS SpanName,
    concat('service-', toString(lot % 8)) AS ServiceName,
    ['default', 'support', 'research', 'training'][intDiv(lot, 97) % 4 + 1] AS Project,
    if(Operation = 'invoke_agent', concat('agent-', toString(lot % 12)), '') AS AgentName,
    if(Operation = 'chat', ['gpt-4o-2024-11-20', 'gpt-4o-mini', 'gpt-5-mini', 'gpt-4.1', 'claude-sonnet-4-5', 'gemini-2.5-flash', 'gpt-5', 'policy'][lot % 8 + 1], '') AS Model,
    if(intDiv(lot, 97) % 4 IN (1, 3), lower(hex(sipHash64(concat(TraceId, '{copy}')))), '') AS RolloutId,
    if(intDiv(lot, 97) % 4 = 3, concat('task-', toString(intDiv(lot, 1009) % 5000)), '') AS GroupId,
    if(SessionId = '', '', concat(SessionId, '-{copy}')) AS SessionId,
    concat('user-', toString(lot % 2000)) AS UserId,
    if(intDiv(lot, 97) % 4 = 3, concat('step-', toString(1000 - intDiv(hours, 3))), '') AS PolicyVersion,
    if(intDiv(lot, 97) % 4 = 3 AND Operation = 'chat', arrayMap(n -> -((cityHash64(SpanId, n) % 1000) / 500), range(40)), []) AS ResponseLogprobs,
    toUInt64(Duration * (0.5 + (chance % 4096) / 2048)) AS Duration,
    if(Operation = 'chat', toUInt32(InputTokens + chance % 1500), 0) AS InputTokens,
    if(Operation = 'chat', toUInt32(OutputTokens + intDiv(chance, 7) % 300), 0) AS OutputTokens,
    if(intDiv(chance, 11) % 50 = 0, 'Error', StatusCode) AS StatusCode,
    if(intDiv(chance, 11) % 50 = 0, concat('failed: ', toString(chance % 5)), '') AS StatusMessage,
    multiIf(
        Operation = 'execute_tool', mapUpdate(SpanAttributes, CAST(map('gen_ai.tool.name', concat('tool_', toString(chance % 20))), 'Map(LowCardinality(String), String)')),
        Operation = 'chat', mapUpdate(SpanAttributes, CAST(map(
            'gen_ai.usage.cache_read.input_tokens', toString(chance % 300),
            'gen_ai.response.finish_reasons', if(chance % 3 = 0, '["stop"]', '["tool_calls"]'),
            'gen_ai.prompt.name', concat('prompt-', toString(lot % 5)), 'leyden.prompt.version', toString(lot % 4 + 1)), 'Map(LowCardinality(String), String)')),
        SpanAttributes) AS SpanAttributes
)
FROM
(
    SELECT *, cityHash64(TraceId, {copy}) AS lot, cityHash64(SpanId, {copy}) AS chance, {start} + intDiv(lot, 7) % {width} AS hours
    FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano(toInt64({first_ns}))
)
SETTINGS max_partitions_per_insert_block = 0, optimize_on_insert = 0

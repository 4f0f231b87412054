-- What dashboards count by, a column each instead of the map Facets, of which every row had to be searched: half the work of
-- most panels, and two bytes a span less. What was stored before has them worked out when it is read, until a merge
-- writes them down. (A column a line: a cluster's Distributed table has them by the same words.)

ALTER TABLE otel_traces
    ADD COLUMN IF NOT EXISTS ToolName LowCardinality(String) MATERIALIZED if(Operation = 'execute_tool', firstNonDefault(SpanAttributes['gen_ai.tool.name'], SpanAttributes['tool.name'], SpanAttributes['traceloop.entity.name'], toString(SpanName)), '') CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS CachedTokens UInt32 MATERIALIZED least(InputTokens, toUInt32OrZero(firstNonDefault(SpanAttributes['gen_ai.usage.cache_read.input_tokens'], SpanAttributes['gen_ai.usage.cache_read_input_tokens'], SpanAttributes['llm.token_count.prompt_details.cache_read'], SpanAttributes['ai.usage.cachedInputTokens']))) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS ReasoningTokens UInt32 MATERIALIZED least(OutputTokens, toUInt32OrZero(firstNonDefault(SpanAttributes['gen_ai.usage.reasoning.output_tokens'], SpanAttributes['gen_ai.usage.reasoning_tokens'], SpanAttributes['gen_ai.usage.details.reasoning_tokens'], SpanAttributes['llm.token_count.completion_details.reasoning'], SpanAttributes['ai.usage.reasoningTokens']))) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS RecordedCost Nullable(Float64) MATERIALIZED coalesce(toFloat64OrNull(SpanAttributes['leyden.cost']), toFloat64OrNull(SpanAttributes['gen_ai.usage.cost']), toFloat64OrNull(SpanAttributes['llm.cost.total'])) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS FinishReasons LowCardinality(String) MATERIALIZED firstNonDefault(SpanAttributes['gen_ai.response.finish_reasons'], SpanAttributes['ai.response.finishReason']) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS PromptName LowCardinality(String) MATERIALIZED SpanAttributes['gen_ai.prompt.name'] CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS PromptVersion LowCardinality(String) MATERIALIZED SpanAttributes['leyden.prompt.version'] CODEC(ZSTD(1));

ALTER TABLE otel_traces DROP COLUMN IF EXISTS Facets;

-- Nobody reads the engine's statistics of every column, nor lengths of texts apart from them: without, parts have two fifths
-- of the files, to be written by every merge and opened by every reader, and a fortieth less bytes.
ALTER TABLE otel_traces MODIFY SETTING auto_statistics_types = '', string_serialization_version = 'single_stream';

ALTER TABLE traces MODIFY SETTING auto_statistics_types = '', string_serialization_version = 'single_stream';

ALTER TABLE otel_traces_trace_id_ts MODIFY SETTING auto_statistics_types = '', string_serialization_version = 'single_stream';

-- Which part has a trace: without it one block of ids of every part had to be read to find one.
ALTER TABLE otel_traces_trace_id_ts ADD INDEX IF NOT EXISTS idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1;

ALTER TABLE otel_traces_trace_id_ts MATERIALIZE INDEX idx_trace_id;

CREATE OR REPLACE VIEW turn_costs AS
WITH
    (
        SELECT groupArray((Model, Days))
        FROM
        (
            SELECT Model, arrayReverseSort(day -> day.1, groupArray((Since, Input, Cached, Output, Reasoning, 1))) AS Days
            FROM model_prices FINAL
            WHERE NOT Removed
              AND (Source = 'config' OR Model NOT IN (SELECT Model FROM model_prices FINAL WHERE Source = 'config' AND NOT Removed))
            GROUP BY Model
        )
    ) AS prices,
    -- The first list is empty: it is of every model without a price.
    arrayPushFront(arrayMap(price -> price.1, prices), '') AS models,
    arrayPushFront(arrayMap(price -> price.2, prices), []) AS lists,
    arrayFirst(day -> day.1 <= toDate(Timestamp), lists[transform(Name, models, range(1, length(models) + 1), 1)]) AS exact,
    arrayFirst(day -> day.1 <= toDate(Timestamp), lists[transform(Alike, models, range(1, length(models) + 1), 1)]) AS alike,
    if(exact.6 = 1, exact, alike) AS price
SELECT
    TraceId, SpanId, Timestamp, Project, ServiceName, GroupId, RolloutId, SessionId, AgentName, Model,
    InputTokens, CachedTokens, OutputTokens, ReasoningTokens,
    multiIf(
        isNotNull(RecordedCost), RecordedCost,
        price.6 != 1 OR InputTokens + OutputTokens = 0, NULL,
        ((InputTokens - CachedTokens) * price.2 + CachedTokens * price.3
         + (OutputTokens - ReasoningTokens) * price.4 + ReasoningTokens * price.5) / 1000000) AS Cost,
    multiIf(isNotNull(RecordedCost), 'recorded', isNotNull(Cost), 'priced', '') AS CostSource
FROM
(
    SELECT
        TraceId, SpanId, Timestamp, Project, ServiceName, GroupId, RolloutId, SessionId, AgentName, Model,
        InputTokens, CachedTokens, OutputTokens, ReasoningTokens, RecordedCost,
        lower(Model) AS Name,
        replaceRegexpOne(
            replaceRegexpOne(Name, '^(.*/)?((us|eu|apac|global)\\.)?(anthropic\\.)?', ''),
            '([-@:](\\d{4}-\\d{2}-\\d{2}|\\d{8}|\\d{3}|latest|v\\d+(:\\d+)?))+$', '') AS Alike
    FROM otel_traces FINAL -- not LIMIT BY, past which no condition on the key would reach the table
    WHERE Operation IN ('chat', 'generate_content', 'text_completion')
);

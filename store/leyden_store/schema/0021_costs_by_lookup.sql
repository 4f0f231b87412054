-- turn_costs again, with the service and the group that dashboards narrow by, and prices looked up by the model's name: the
-- price of each of a model's days stands in a list, and transform finds the list by hash, once for each distinct name.
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
    TraceId,
    SpanId,
    Timestamp,
    Project,
    ServiceName,
    GroupId,
    RolloutId,
    SessionId,
    AgentName,
    Model,
    InputTokens,
    CachedTokens,
    OutputTokens,
    ReasoningTokens,
    multiIf(
        isNotNull(Recorded), Recorded,
        price.6 != 1 OR InputTokens + OutputTokens = 0, NULL,
        ((InputTokens - CachedTokens) * price.2 + CachedTokens * price.3
         + (OutputTokens - ReasoningTokens) * price.4 + ReasoningTokens * price.5) / 1000000) AS Cost,
    multiIf(isNotNull(Recorded), 'recorded', isNotNull(Cost), 'priced', '') AS CostSource
FROM
(
    SELECT
        TraceId, SpanId, Timestamp, Project, ServiceName, GroupId, RolloutId, SessionId, AgentName, Model,
        InputTokens, OutputTokens,
        lower(Model) AS Name,
        replaceRegexpOne(
            replaceRegexpOne(Name, '^(.*/)?((us|eu|apac|global)\\.)?(anthropic\\.)?', ''),
            '([-@:](\\d{4}-\\d{2}-\\d{2}|\\d{8}|\\d{3}|latest|v\\d+(:\\d+)?))+$', '') AS Alike,
        least(InputTokens, toUInt32OrZero(coalesce(
            nullIf(SpanAttributes['gen_ai.usage.cache_read.input_tokens'], ''),
            nullIf(SpanAttributes['gen_ai.usage.cache_read_input_tokens'], ''),
            nullIf(SpanAttributes['llm.token_count.prompt_details.cache_read'], ''),
            nullIf(SpanAttributes['ai.usage.cachedInputTokens'], ''), ''))) AS CachedTokens,
        least(OutputTokens, toUInt32OrZero(coalesce(
            nullIf(SpanAttributes['gen_ai.usage.reasoning.output_tokens'], ''),
            nullIf(SpanAttributes['gen_ai.usage.reasoning_tokens'], ''),
            nullIf(SpanAttributes['gen_ai.usage.details.reasoning_tokens'], ''),
            nullIf(SpanAttributes['llm.token_count.completion_details.reasoning'], ''),
            nullIf(SpanAttributes['ai.usage.reasoningTokens'], ''), ''))) AS ReasoningTokens,
        coalesce(toFloat64OrNull(SpanAttributes['leyden.cost']), toFloat64OrNull(SpanAttributes['gen_ai.usage.cost']),
                 toFloat64OrNull(SpanAttributes['llm.cost.total'])) AS Recorded
    FROM otel_traces FINAL -- not LIMIT BY, past which no condition on the key would reach the table
    WHERE Operation IN ('chat', 'generate_content', 'text_completion')
);

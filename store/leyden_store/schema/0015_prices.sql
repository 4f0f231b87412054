-- What models cost, in US dollars a million tokens: Leyden's own small table (Source 'leyden') and what a config file says
-- (Source 'config'), which comes before it for every model it names. A price holds from Since on.

CREATE TABLE IF NOT EXISTS model_prices
(
    Source    LowCardinality(String),
    Model     String,
    Since     Date,
    Input     Float64,
    Cached    Float64,
    Output    Float64,
    Reasoning Float64,
    Removed   Bool DEFAULT false,
    AsOf      String,
    UpdatedAt DateTime64(6)
)
ENGINE = ReplacingMergeTree(UpdatedAt)
ORDER BY (Source, Model, Since);

-- What every LLM span cost: what it says itself, else by the prices; NULL where neither says. One row a span: a call that
-- two instrumentations recorded is there twice, and once in `leyden turns`. Names are made alike as in prices.py.
CREATE VIEW IF NOT EXISTS turn_costs AS
WITH
    (
        SELECT groupArray((Model, Since, Input, Cached, Output, Reasoning))
        FROM
        (
            SELECT *
            FROM model_prices FINAL
            WHERE NOT Removed
              AND (Source = 'config' OR Model NOT IN (SELECT Model FROM model_prices FINAL WHERE Source = 'config' AND NOT Removed))
            ORDER BY Since DESC
        )
    ) AS prices,
    arrayFirst(p -> p.1 = Name AND p.2 <= toDate(Timestamp), prices) AS exact,
    arrayFirst(p -> p.1 = Alike AND p.2 <= toDate(Timestamp), prices) AS alike,
    if(exact.1 != '', exact, alike) AS price
SELECT
    TraceId,
    SpanId,
    Timestamp,
    Project,
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
        price.1 = '' OR InputTokens + OutputTokens = 0, NULL,
        ((InputTokens - CachedTokens) * price.3 + CachedTokens * price.4
         + (OutputTokens - ReasoningTokens) * price.5 + ReasoningTokens * price.6) / 1000000) AS Cost,
    multiIf(isNotNull(Recorded), 'recorded', isNotNull(Cost), 'priced', '') AS CostSource
FROM
(
    SELECT
        TraceId, SpanId, Timestamp, Project, RolloutId, SessionId, AgentName, Model, InputTokens, OutputTokens,
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

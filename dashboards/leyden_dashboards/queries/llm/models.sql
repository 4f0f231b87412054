-- LLM quality, Models compared. Rewards come from the summary, the rest from the LLM calls.
SELECT
    s.model AS "Model",
    s.calls AS "Calls",
    s.error_rate AS "Error rate",
    s.p50 AS "p50",
    s.p95 AS "p95",
    s.speed AS "Tokens per second",
    s.tokens_in AS "Tokens in",
    s.tokens_out AS "Tokens out",
    r.mean_reward AS "Reward"
FROM
(
    SELECT
        toString(Model) AS model, count() AS calls, countIf(StatusCode = 'Error') / count() AS error_rate,
        quantile(0.5)(Duration) / 1e9 AS p50, quantile(0.95)(Duration) / 1e9 AS p95,
        sum(OutputTokens) / nullIf(sumIf(Duration, OutputTokens > 0), 0) * 1e9 AS speed,
        sum(InputTokens) AS tokens_in, sum(OutputTokens) AS tokens_out
    FROM otel_traces FINAL
    PREWHERE {llm_spans}
    GROUP BY model
) AS s
LEFT JOIN ({of_models}) AS r ON r.model = s.model
ORDER BY "Calls" DESC
LIMIT 100

-- Overview, Models. Rollouts and rewards come from the summary, the rest from the LLM calls.
SELECT
    s.model AS "Model",
    r.rollouts AS "Rollouts",
    r.mean_reward AS "Reward",
    s.calls AS "Calls",
    s.error_rate AS "Error rate",
    s.p95 AS "Call p95",
    s.tokens_in AS "Tokens in",
    s.tokens_out AS "Tokens out"
FROM
(
    SELECT
        toString(Model) AS model, count() AS calls, countIf(StatusCode = 'Error') / count() AS error_rate,
        quantile(0.95)(Duration) / 1e9 AS p95, sum(InputTokens) AS tokens_in, sum(OutputTokens) AS tokens_out
    FROM otel_traces FINAL
    PREWHERE {llm_spans}
    GROUP BY model
) AS s
LEFT JOIN ({of_models}) AS r ON r.model = s.model
ORDER BY "Calls" DESC
LIMIT 100

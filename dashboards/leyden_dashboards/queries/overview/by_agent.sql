-- Overview, Agents. Tokens come from the LLM calls, the rest from the summary.
SELECT
    r.agent AS "Agent",
    r.rollouts AS "Rollouts",
    r.success AS "Without errors",
    r.mean_reward AS "Reward",
    r.p50 AS "Latency p50",
    r.p95 AS "Latency p95",
    k.tokens_in AS "Tokens in",
    k.tokens_out AS "Tokens out",
    r.error_spans AS "Error spans"
FROM
(
    SELECT
        agent, count() AS rollouts, avg(errors = 0) AS success, avg(reward) AS mean_reward,
        quantile(0.5)(seconds) AS p50, quantile(0.95)(seconds) AS p95, sum(errors) AS error_spans
    FROM ({rewarded_rollouts})
    GROUP BY agent
) AS r
LEFT JOIN
(
    SELECT t.agent AS agent, sum(s.tokens_in) AS tokens_in, sum(s.tokens_out) AS tokens_out
    FROM
    (
        SELECT cityHash64(TraceId) AS trace, sum(InputTokens) AS tokens_in, sum(OutputTokens) AS tokens_out
        FROM otel_traces FINAL
        PREWHERE {llm_spans}
        GROUP BY trace
    ) AS s
    INNER JOIN ({agents}) AS t ON t.trace = s.trace
    GROUP BY agent
) AS k ON k.agent = r.agent
ORDER BY "Rollouts" DESC
LIMIT 100

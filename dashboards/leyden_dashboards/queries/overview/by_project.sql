-- Overview, Projects. Tokens come from the LLM calls, the rest from the summary.
SELECT
    r.project AS "Project",
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
        project, count() AS rollouts, avg(errors = 0) AS success, avg(reward) AS mean_reward,
        quantile(0.5)(seconds) AS p50, quantile(0.95)(seconds) AS p95, sum(errors) AS error_spans
    FROM ({rewarded_rollouts})
    GROUP BY project
) AS r
LEFT JOIN
(
    SELECT toString(Project) AS project, sum(InputTokens) AS tokens_in, sum(OutputTokens) AS tokens_out
    FROM otel_traces FINAL
    PREWHERE {llm_spans}
    GROUP BY project
) AS k ON k.project = r.project
ORDER BY "Rollouts" DESC
LIMIT 100

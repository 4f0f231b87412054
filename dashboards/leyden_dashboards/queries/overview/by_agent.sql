-- Overview, Agents. Tokens come from the LLM calls of a rollout's traces, the rest from the summary.
SELECT
    agent AS "Agent",
    countIf(nth = 1) AS "Rollouts",
    avgIf(errors = 0, nth = 1) AS "Without errors",
    avgIf(reward, nth = 1) AS "Reward",
    quantileIf(0.5)(seconds, nth = 1) AS "Latency p50",
    quantileIf(0.95)(seconds, nth = 1) AS "Latency p95",
    sum(k.tokens_in) AS "Tokens in",
    sum(k.tokens_out) AS "Tokens out",
    sumIf(errors, nth = 1) AS "Error spans"
FROM
(
    SELECT agent, errors, reward, seconds, nth, trace
    FROM ({rewarded_rollouts})
    ARRAY JOIN traces AS trace, arrayEnumerate(traces) AS nth
) AS r
LEFT JOIN
(
    SELECT cityHash64(TraceId) AS trace, sum(InputTokens) AS tokens_in, sum(OutputTokens) AS tokens_out
    FROM otel_traces FINAL
    PREWHERE {llm_spans}
    GROUP BY trace
) AS k ON k.trace = r.trace
GROUP BY agent
ORDER BY "Rollouts" DESC
LIMIT 100

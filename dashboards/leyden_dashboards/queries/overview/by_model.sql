-- Overview, Models.
SELECT
    s.Model AS "Model",
    uniqExact(t.rollout) AS "Rollouts",
    avg(t.reward) AS "Reward",
    sum(s.calls) AS "Calls",
    sum(s.errors) / sum(s.calls) AS "Error rate",
    quantileMerge(0.95)(s.p95) / 1e9 AS "Call p95",
    sum(s.tokens_in) AS "Tokens in",
    sum(s.tokens_out) AS "Tokens out"
FROM
(
    SELECT
        Model, TraceId, count() AS calls, countIf(StatusCode = 'Error') AS errors, quantileState(0.95)(Duration) AS p95,
        sum(InputTokens) AS tokens_in, sum(OutputTokens) AS tokens_out
    FROM otel_traces FINAL
    WHERE {llm_spans}
    GROUP BY Model, TraceId
) AS s
INNER JOIN ({rewarded_traces}) AS t ON t.trace_id = s.TraceId
GROUP BY s.Model
ORDER BY "Calls" DESC
LIMIT 100

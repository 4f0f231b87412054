-- LLM quality, Models compared.
SELECT
    s.Model AS "Model",
    sum(s.calls) AS "Calls",
    sum(s.errors) / sum(s.calls) AS "Error rate",
    quantileMerge(0.5)(s.p50) / 1e9 AS "p50",
    quantileMerge(0.95)(s.p95) / 1e9 AS "p95",
    sum(s.tokens_out) / nullIf(sum(s.ns), 0) * 1e9 AS "Tokens per second",
    sum(s.tokens_in) AS "Tokens in",
    sum(s.tokens_out) AS "Tokens out",
    avg(t.reward) AS "Reward"
FROM
(
    SELECT
        Model, TraceId, count() AS calls, countIf(StatusCode = 'Error') AS errors,
        quantileState(0.5)(Duration) AS p50, quantileState(0.95)(Duration) AS p95,
        sum(InputTokens) AS tokens_in, sum(OutputTokens) AS tokens_out, sumIf(Duration, OutputTokens > 0) AS ns
    FROM otel_traces FINAL
    WHERE {llm_spans}
    GROUP BY Model, TraceId
) AS s
LEFT JOIN ({rewarded_traces}) AS t ON t.trace_id = s.TraceId
GROUP BY s.Model
ORDER BY "Calls" DESC
LIMIT 100

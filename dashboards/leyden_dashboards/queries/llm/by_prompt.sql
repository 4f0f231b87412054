-- LLM quality, Prompt versions compared.
SELECT
    s.prompt AS "Prompt",
    s.version AS "Version",
    sum(s.calls) AS "Calls",
    sum(s.errors) / sum(s.calls) AS "Error rate",
    quantileMerge(0.95)(s.p95) / 1e9 AS "p95",
    sum(s.tokens_in) AS "Tokens in",
    sum(s.tokens_cached) / nullIf(sum(s.tokens_in), 0) AS "Cached",
    sum(s.tokens_out) AS "Tokens out",
    avg(t.reward) AS "Reward"
FROM
(
    SELECT
        Facets['gen_ai.prompt.name'] AS prompt, Facets['leyden.prompt.version'] AS version, cityHash64(TraceId) AS trace,
        count() AS calls, countIf(StatusCode = 'Error') AS errors, quantileState(0.95)(Duration) AS p95,
        sum(InputTokens) AS tokens_in, sum(OutputTokens) AS tokens_out, sum({cached}) AS tokens_cached
    FROM otel_traces FINAL
    PREWHERE {llm_spans}
    WHERE prompt != ''
    GROUP BY prompt, version, trace
) AS s
LEFT JOIN ({rewarded_traces}) AS t ON t.trace = s.trace
GROUP BY s.prompt, s.version
ORDER BY "Prompt", "Version" DESC
LIMIT 200

-- LLM quality, Prompt versions compared.
SELECT
    s.prompt AS "Prompt",
    s.version AS "Version",
    sum(s.calls) AS "Calls",
    sum(s.errors) / sum(s.calls) AS "Error rate",
    quantileMerge(0.95)(s.p95) / 1e9 AS "p95",
    sum(s.tokens_in) AS "Tokens in",
    sum(s.cached) / nullIf(sum(s.tokens_in), 0) AS "Cached",
    sum(s.tokens_out) AS "Tokens out",
    avg(t.reward) AS "Reward"
FROM
(
    SELECT
        SpanAttributes['gen_ai.prompt.name'] AS prompt, SpanAttributes['leyden.prompt.version'] AS version, TraceId,
        count() AS calls, countIf(StatusCode = 'Error') AS errors, quantileState(0.95)(Duration) AS p95,
        sum(InputTokens) AS tokens_in, sum(OutputTokens) AS tokens_out,
        sum(toUInt64OrZero(SpanAttributes['gen_ai.usage.cache_read.input_tokens'])) AS cached
    FROM otel_traces FINAL
    WHERE {llm_spans}
        AND prompt != ''
    GROUP BY prompt, version, TraceId
) AS s
LEFT JOIN ({rewarded_traces}) AS t ON t.trace_id = s.TraceId
GROUP BY s.prompt, s.version
ORDER BY "Prompt", "Version" DESC
LIMIT 200

-- LLM quality, Prompt versions compared. A trace's reward counts once for each version that it was made with.
SELECT
    s.prompt AS "Prompt",
    s.version AS "Version",
    s.calls AS "Calls",
    s.error_rate AS "Error rate",
    s.p95 AS "p95",
    s.tokens_in AS "Tokens in",
    s.tokens_cached / nullIf(s.tokens_in, 0) AS "Cached",
    s.tokens_out AS "Tokens out",
    r.mean_reward AS "Reward"
FROM
(
    SELECT
        {prompt_version} AS made_with, any(toString(PromptName)) AS prompt, any(toString(PromptVersion)) AS version,
        count() AS calls, countIf(StatusCode = 'Error') / count() AS error_rate, quantile(0.95)(Duration) / 1e9 AS p95,
        sum(InputTokens) AS tokens_in, sum(OutputTokens) AS tokens_out, sum(CachedTokens) AS tokens_cached
    FROM otel_traces FINAL
    PREWHERE {llm_spans}
        AND PromptName != ''
    GROUP BY made_with
) AS s
LEFT JOIN
(
    SELECT p.made_with AS made_with, avg(t.reward) AS mean_reward
    FROM
    (
        SELECT DISTINCT {prompt_version} AS made_with, cityHash64(TraceId) AS trace
        FROM otel_traces
        PREWHERE {llm_spans}
            AND PromptName != ''
    ) AS p
    INNER JOIN ({rewarded_traces}) AS t ON t.trace = p.trace
    GROUP BY made_with
) AS r ON r.made_with = s.made_with
ORDER BY "Prompt", "Version" DESC
LIMIT 200

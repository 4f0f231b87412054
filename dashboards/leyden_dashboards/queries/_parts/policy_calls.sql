-- The chosen LLM calls by policy version. Reads the log-probabilities of the calls that have them.
SELECT
    toUInt64(cityHash64(PolicyVersion)) AS policy_id,
    any(toString(PolicyVersion)) AS policy,
    count() AS calls,
    min(Timestamp) AS first,
    max(Timestamp) AS last,
    sum(arraySum(ResponseLogprobs)) / nullIf(sum(length(ResponseLogprobs)), 0) AS logprob,
    toNullable(avg(OutputTokens)) AS tokens
FROM otel_traces FINAL
PREWHERE {llm_spans}
    AND PolicyVersion != ''
GROUP BY policy_id

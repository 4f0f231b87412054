-- Training, Mean log-probability by policy version. Reads the arrays of the calls that have them.
SELECT
    $__timeInterval(Timestamp) AS time,
    PolicyVersion AS policy,
    sum(arraySum(ResponseLogprobs)) / sum(length(ResponseLogprobs)) AS logprob
FROM otel_traces FINAL
PREWHERE {llm_spans}
    AND PolicyVersion != ''
    AND notEmpty(ResponseLogprobs)
GROUP BY time, policy
ORDER BY time, policy

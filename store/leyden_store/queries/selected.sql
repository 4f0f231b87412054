-- How much a selection holds: `leyden query run`. `{selection}` is a SELECT of TraceIds; reads the summary, not the spans.
SELECT count() AS traces, uniqExact(rollout) AS rollouts, sum(llm) AS llm_spans
FROM
(
    SELECT if(max(t.RolloutId) != '', max(t.RolloutId), TraceId) AS rollout, uniqIfMerge(t.LlmSpans) AS llm
    FROM traces AS t
    WHERE TraceId IN ({selection})
    GROUP BY TraceId
)

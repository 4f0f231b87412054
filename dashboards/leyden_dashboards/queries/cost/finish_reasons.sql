-- LLM cost and quality, Finish reasons: how LLM calls ended. Each distinct way to write one is read once.
SELECT if(reason != '', reason, '(not recorded)') AS "Ended", sum(calls) AS "Calls"
FROM
(
    SELECT
        firstNonDefault(JSONExtract(reasons, 'Array(String)')[1], other) AS reason,
        count() AS calls
    FROM
    (
        SELECT
            Facets['gen_ai.response.finish_reasons'] AS reasons,
            firstNonDefault(Facets['gen_ai.completion.0.finish_reason'], Facets['ai.response.finishReason']) AS other
        FROM otel_traces FINAL
        PREWHERE {llm_spans}
    )
    GROUP BY reasons, other
)
GROUP BY "Ended"
ORDER BY "Calls" DESC
LIMIT 20

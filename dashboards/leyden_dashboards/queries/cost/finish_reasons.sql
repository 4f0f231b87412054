-- LLM cost and quality, Finish reasons: how LLM calls ended. Each distinct way to write one, a JSON list or a word, is read once.
SELECT if(reason != '', reason, '(not recorded)') AS "Ended", sum(calls) AS "Calls"
FROM
(
    SELECT
        if(startsWith(reasons, '['), JSONExtract(reasons, 'Array(String)')[1], reasons) AS reason,
        calls
    FROM (SELECT toString(FinishReasons) AS reasons, count() AS calls FROM otel_traces FINAL PREWHERE {llm_spans} GROUP BY FinishReasons)
)
GROUP BY "Ended"
ORDER BY "Calls" DESC
LIMIT 20

-- Training, LLM spans left out: the report of one of `runs`.
SELECT reason.1 AS "Reason", reason.2 AS "LLM spans"
FROM
(
    SELECT arrayJoin(JSONExtractKeysAndValues(Report, 'dropped', 'UInt64')) AS reason
    FROM runs FINAL
    WHERE RunId = ${run:singlequote}
)
ORDER BY "LLM spans" DESC, "Reason"

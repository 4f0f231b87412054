-- Training, Versions behind: versions that end in a number, and have digits nowhere else.
SELECT time, sum((newest - version) * calls) / sum(calls) AS mean, max(newest - version) AS most
FROM
(
    SELECT time, version, calls, max(version) OVER (ORDER BY time) AS newest
    FROM
    (
        SELECT
            $__timeInterval(Timestamp) AS time,
            toInt64OrNull(extract(PolicyVersion, '^[^0-9]*([0-9]{1,15})$')) AS version,
            count() AS calls
        FROM otel_traces FINAL
        PREWHERE {llm_spans}
            AND version IS NOT NULL
        GROUP BY time, version
    )
)
GROUP BY time
ORDER BY time

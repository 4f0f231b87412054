-- Collector, Ingest lag: the mean over inserts, and the oldest request that still waits.
SELECT time, sum(lag_sum) / nullIf(sum(lag_count), 0) AS "until readable", max(oldest) AS "oldest waiting"
FROM
(
    SELECT $__timeInterval(Timestamp) AS time,
           sumIf(rise, Name = 'leyden_collector_insert_lag_seconds_sum') AS lag_sum,
           sumIf(rise, Name = 'leyden_collector_insert_lag_seconds_count') AS lag_count,
           toFloat64(0) AS oldest
    FROM ({rise})
    WHERE Name IN ('leyden_collector_insert_lag_seconds_sum', 'leyden_collector_insert_lag_seconds_count')
    GROUP BY time
    UNION ALL
    SELECT $__timeInterval(Timestamp) AS time, 0 AS lag_sum, 0 AS lag_count, max(Value) AS oldest
    FROM collector_metrics
    WHERE Name = 'leyden_collector_oldest_unsent_seconds' AND {collector}
    GROUP BY time
)
GROUP BY time
ORDER BY time

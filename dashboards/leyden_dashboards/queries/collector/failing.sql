-- Collector, Store out of reach: for how long it has taken nothing, by collector.
SELECT $__timeInterval(Timestamp) AS time, toString(Collector) AS collector, max(Value) AS seconds
FROM collector_metrics
WHERE Name = 'leyden_collector_store_failing_seconds' AND {collector}
GROUP BY time, collector
ORDER BY time, collector

-- Collector, Spooled: bytes acknowledged that the store has not taken, by collector.
SELECT $__timeInterval(Timestamp) AS time, toString(Collector) AS collector, max(Value) AS bytes
FROM collector_metrics
WHERE Name = 'leyden_collector_spool_bytes' AND {collector}
GROUP BY time, collector
ORDER BY time, collector

-- Collector, Bytes that wait: every collector's newest sample.
SELECT sum(bytes) AS bytes FROM
(
    SELECT argMax(Value, Timestamp) AS bytes FROM collector_metrics
    WHERE Name = 'leyden_collector_spool_bytes' AND {collector}
    GROUP BY Collector
)

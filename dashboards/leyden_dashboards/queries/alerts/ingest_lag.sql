-- Alert, Ingest lag: the age of the oldest acknowledged request that the store has not taken, of any collector.
SELECT max(seconds) AS seconds FROM
(
    SELECT argMax(Value, Timestamp) AS seconds FROM collector_metrics
    WHERE Name = 'leyden_collector_oldest_unsent_seconds' AND $__timeFilter(Timestamp)
    GROUP BY Collector, Labels
)

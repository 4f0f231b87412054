-- Alert, Quarantine: requests set aside, of all collectors.
SELECT sum(requests) AS requests FROM
(
    SELECT argMax(Value, Timestamp) AS requests FROM collector_metrics
    WHERE Name = 'leyden_collector_quarantine_requests' AND $__timeFilter(Timestamp)
    GROUP BY Collector, Labels
)

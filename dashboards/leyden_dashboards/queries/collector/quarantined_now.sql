-- Collector, Requests in quarantine: every collector's newest sample.
SELECT sum(requests) AS requests FROM
(
    SELECT argMax(Value, Timestamp) AS requests FROM collector_metrics
    WHERE Name = 'leyden_collector_quarantine_requests' AND {collector}
    GROUP BY Collector, Labels
)

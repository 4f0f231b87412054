-- Every collector's newest sample of each metric that tells how it fares: asked by the trace page, of the last hour.
SELECT Collector AS collector, Name AS name, sum(value) AS value, max(at) AS at_ns
FROM
(
    SELECT Collector, Name, Labels, argMax(Value, Timestamp) AS value, toUnixTimestamp64Nano(toDateTime64(max(Timestamp), 9)) AS at
    FROM collector_metrics
    WHERE Timestamp > now() - INTERVAL 1 HOUR AND Name IN {names:Array(String)}
    GROUP BY Collector, Name, Labels
)
GROUP BY collector, name
ORDER BY collector, name

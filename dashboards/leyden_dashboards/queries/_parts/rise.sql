-- How much counters rose between one sample and the next of the same collector and labels. One that began anew rose from 0,
-- as did one first seen after others of its collector: labels appear when there is something to count.
SELECT Timestamp, Name, Collector, Labels,
    lagInFrame(toNullable(Value)) OVER (PARTITION BY Name, Collector, Labels ORDER BY Timestamp
                                        ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before,
    coalesce(before, if(Timestamp > min(Timestamp) OVER (PARTITION BY Collector), 0, Value)) AS from_value,
    if(Value < from_value, Value, Value - from_value) AS rise
FROM collector_metrics
WHERE {collector}

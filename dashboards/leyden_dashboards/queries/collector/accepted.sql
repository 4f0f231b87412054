-- Collector, Spans a second: acknowledged, by collector.
SELECT $__timeInterval(Timestamp) AS time, toString(Collector) AS collector, sum(rise) / $__interval_s AS spans
FROM ({rise})
WHERE Name = 'leyden_collector_spans_accepted_total'
GROUP BY time, collector
ORDER BY time, collector

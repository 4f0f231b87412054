-- Variable: collectors that wrote metrics in the time range.
SELECT DISTINCT toString(Collector) AS collector FROM collector_metrics
WHERE Name = 'leyden_collector_spool_bytes' AND $__timeFilter(Timestamp)
ORDER BY collector

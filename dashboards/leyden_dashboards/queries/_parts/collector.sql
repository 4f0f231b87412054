-- The chosen collectors' samples in the time range; the query names the metric.
$__timeFilter(Timestamp) AND $__conditionalAll(Collector IN (${collector:singlequote}), $collector)

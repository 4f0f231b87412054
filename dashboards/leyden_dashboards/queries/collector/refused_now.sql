-- Collector, Spans and requests refused in the time range.
SELECT sumIf(rise, Name = 'leyden_collector_spans_rejected_total') AS spans,
       sumIf(rise, Name = 'leyden_collector_requests_refused_total') AS requests
FROM ({rise})
WHERE Name IN ('leyden_collector_spans_rejected_total', 'leyden_collector_requests_refused_total')

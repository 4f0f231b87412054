-- Collector, Spans acknowledged in the time range.
SELECT sum(rise) AS spans FROM ({rise}) WHERE Name = 'leyden_collector_spans_accepted_total'

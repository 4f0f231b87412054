-- The newest traces that begin in a window, by (start, id) and nothing else: a list's first step. `{conditions}` are filters
-- over rows of the summary, `{of_trace}` over all of a trace's. Rows of later hours are read too, so that a trace's length is
-- known.
SELECT TraceId AS trace_id, toUnixTimestamp64Nano(min(Start)) AS start_ns
FROM traces
WHERE Hour >= toStartOfHour(fromUnixTimestamp64Nano({low:Int64})) AND Hour <= fromUnixTimestamp64Nano({later:Int64})
  AND {conditions}
GROUP BY TraceId
HAVING {of_trace} AND start_ns >= {low:Int64} AND start_ns <= {last:Int64}
   AND (start_ns < {before_ns:Int64} OR (start_ns = {before_ns:Int64} AND TraceId > {before_id:String}))
   AND (toUnixTimestamp64Nano(max(End)) - start_ns) BETWEEN {min_ns:Int64} AND {max_ns:Int64}
ORDER BY start_ns DESC, TraceId
LIMIT {limit:UInt64}

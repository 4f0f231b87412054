-- Rewards given from outside (not by spans: those are read with the spans) to some rollouts or traces; the newest of a key.
SELECT
    RolloutId AS rollout_id, TraceId AS trace_id, SpanId AS span_id, ResponseId AS response_id, Name AS name, Source AS source,
    Value AS value, Label AS label, Explanation AS explanation, toUnixTimestamp64Nano(Timestamp) AS time_ns
FROM rewards FINAL
WHERE Source != 'span'
  AND (RolloutId IN {rollout_ids:Array(String)} OR TraceId IN splitByChar(',', {trace_ids:String})
       OR (RolloutId = '' AND TraceId = '')) -- named by the reply's id alone: the reader finds whose it is
ORDER BY Timestamp

-- Rewards, the newest first, for the API's list. A reward from outside names no project: it is of its rollout's or trace's.
SELECT Project AS project, RolloutId AS rollout_id, TraceId AS trace_id, SpanId AS span_id, ResponseId AS response_id,
       Name AS name, Source AS source, Value AS value, Label AS label, Explanation AS explanation,
       toUnixTimestamp64Nano(Timestamp) AS time_ns,
       concat(RolloutId, '\n', TraceId, '\n', SpanId, '\n', ResponseId, '\n', Name, '\n', Source) AS key
FROM rewards FINAL
WHERE ({rollout:String} = '' OR RolloutId = {rollout:String})
  AND ({trace:String} = '' OR TraceId = {trace:String})
  AND ({name:String} = '' OR Name = {name:String})
  AND ({source:String} = '' OR Source = {source:String})
  AND ({project:String} = ''
       OR (Source = 'span' AND Project = {project:String})
       OR (Source != 'span'
           AND (RolloutId, TraceId) != ('', '')
           AND (RolloutId = '' OR RolloutId IN (SELECT RolloutId FROM traces WHERE Project = {project:String}))
           AND (TraceId = '' OR TraceId IN (SELECT TraceId FROM traces WHERE Project = {project:String}))))
  AND (toUnixTimestamp64Nano(Timestamp), key) < ({before_ns:Int64}, {before_id:String})
ORDER BY time_ns DESC, key DESC
LIMIT {limit:UInt64};

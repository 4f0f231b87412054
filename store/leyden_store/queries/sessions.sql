-- Sessions, the latest begun first: one row each, from the summary. Asked by `leyden sessions` and the API, by page.
SELECT
    SessionId AS session_id,
    Project AS project,
    max(UserId) AS user_id,
    arraySort(groupUniqArrayArray(Agents)) AS agents,
    arraySort(groupUniqArrayArray(Models)) AS models,
    toUnixTimestamp64Nano(min(Start)) AS start_ns,
    toUnixTimestamp64Nano(max(End)) AS end_ns,
    uniqExact(TraceId) AS traces,
    uniqExactIf(RolloutId, RolloutId != '') AS rollouts,
    uniqExactIf(TraceId, HasError) AS traces_with_errors
FROM traces AS t
WHERE SessionId != ''
  AND ({project:String} = '' OR Project = {project:String})
  AND ({session:String} = '' OR SessionId = {session:String})
GROUP BY Project, SessionId
HAVING ({user:String} = '' OR user_id = {user:String})
   AND ({agent:String} = '' OR has(agents, {agent:String}))
   AND start_ns >= {since_ns:Int64} AND start_ns <= {last_ns:Int64}
   AND (start_ns < {before_ns:Int64} OR (start_ns = {before_ns:Int64} AND (Project || '\n' || SessionId) > {before_id:String}))
ORDER BY start_ns DESC, Project || '\n' || SessionId
LIMIT {limit:UInt64}

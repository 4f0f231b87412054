-- Sessions that begin in a window, the latest begun first: one row each, from the summary. Asked by `leyden sessions` and
-- the API, window by window. Which they are is seen in the window's hours; what they are, in all of their own.
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
WHERE SessionId IN
    (
        SELECT SessionId FROM traces
        WHERE Hour >= toStartOfHour(fromUnixTimestamp64Nano({low:Int64})) AND Hour <= fromUnixTimestamp64Nano({last:Int64})
          AND SessionId != '' AND ({session:String} = '' OR SessionId = {session:String})
    )
  AND ({project:String} = '' OR Project = {project:String})
GROUP BY Project, SessionId
HAVING ({user:String} = '' OR user_id = {user:String})
   AND ({agent:String} = '' OR has(agents, {agent:String}))
   AND start_ns >= {low:Int64} AND start_ns <= {last:Int64}
   AND (start_ns < {before_ns:Int64} OR (start_ns = {before_ns:Int64} AND (Project || '\n' || SessionId) > {before_id:String}))
ORDER BY start_ns DESC, Project || '\n' || SessionId
LIMIT {limit:UInt64}

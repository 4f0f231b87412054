-- The chosen rollouts, a row each, named by a hash. A trace that names no rollout is one.
SELECT
    cityHash64(if(rollout_id != '', rollout_id, trace_id)) AS rollout,
    groupArray(trace) AS traces,
    any(t.project) AS project,
    max(t.agent) AS agent,
    min(t.start) AS start,
    (toUnixTimestamp64Nano(max(t.end)) - toUnixTimestamp64Nano(min(t.start))) / 1e9 AS seconds,
    sum(t.errors) AS errors,
    groupUniqArrayArray(t.models) AS models
FROM ({traces}) AS t
GROUP BY rollout

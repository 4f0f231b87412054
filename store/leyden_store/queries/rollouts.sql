-- Which traces make up which rollouts, oldest first: what the readers walk in batches. A trace that names no rollout is
-- one of its own. `{selection}` is a SELECT of TraceIds; reads the summary, not the spans.
SELECT
    if(rollout != '', rollout, TraceId) AS rollout_id,
    groupArray(TraceId) AS trace_ids,
    min(start) AS start_ns,
    max(end) AS end_ns
FROM
(
    SELECT TraceId, max(RolloutId) AS rollout, toUnixTimestamp64Nano(min(Start)) AS start, toUnixTimestamp64Nano(max(End)) AS end
    FROM traces
    WHERE TraceId IN ({selection})
    GROUP BY TraceId
)
GROUP BY rollout_id
ORDER BY start_ns, rollout_id

-- As rollouts.sql, with how many tokens each rollout holds, so that batches are cut by size. Reads the arrays' lengths,
-- not the arrays.
SELECT
    if(rollout != '', rollout, TraceId) AS rollout_id,
    groupArray(TraceId) AS trace_ids,
    min(start) AS start_ns,
    max(end) AS end_ns,
    sum(tokens) AS tokens
FROM
(
    SELECT TraceId, max(RolloutId) AS rollout, toUnixTimestamp64Nano(min(Start)) AS start, toUnixTimestamp64Nano(max(End)) AS end
    FROM traces
    WHERE TraceId IN ({selection})
    GROUP BY TraceId
) AS found
LEFT JOIN
(
    SELECT TraceId, sum(length(PromptTokenIds) + length(ResponseTokenIds)) AS tokens
    FROM otel_traces
    WHERE TraceId IN ({selection})
    GROUP BY TraceId
) AS sizes USING (TraceId)
GROUP BY rollout_id
ORDER BY start_ns, rollout_id

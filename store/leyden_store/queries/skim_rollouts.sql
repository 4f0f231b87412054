-- As rollouts.sql, with how many tokens each rollout holds, so that batches are cut by size; reads the arrays' lengths, not
-- the arrays. Rollouts with a name come first, as they lie in the store: by the hour they began in, then by trace. So a batch
-- reads granules of its own, where one by time would share those of its hour with every other batch of that hour.
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
ORDER BY
    rollout_id = trace_ids[1],
    if(rollout_id = trace_ids[1], start_ns, intDiv(start_ns, 3600 * 1000000000)),
    if(rollout_id = trace_ids[1], '', arrayMin(trace_ids)),
    rollout_id

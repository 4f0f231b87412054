-- LLM cost and quality, Cost by agent: what a rollout of each costs.
WITH {prices}
SELECT
    agent AS "Agent",
    if(sum(calls_told) > 0 OR countIf(has_price) > 0, sum(dollars), NULL) AS "Cost",
    "Cost" / uniqExactMerge(rollouts) AS "Cost a rollout",
    sum(calls) AS "Calls",
    sum(if(has_price, calls_empty, toUInt64(calls - calls_told))) AS "Without a price"
FROM
(
    SELECT t.agent AS agent, c.model AS model, c.day AS day, uniqExactState(t.rollout) AS rollouts, {counted_again}
    FROM (SELECT cityHash64(TraceId) AS trace, model, day, {counted} FROM ({calls}) GROUP BY trace, model, day) AS c
    INNER JOIN ({agents}) AS t ON t.trace = c.trace
    GROUP BY agent, model, day
)
GROUP BY agent
ORDER BY "Cost" DESC
LIMIT 100

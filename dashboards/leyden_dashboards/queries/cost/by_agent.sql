-- LLM cost and quality, Cost by agent: what a rollout of each costs.
SELECT
    if(c.AgentName != '', toString(c.AgentName), '(none)') AS "Agent",
    sum(c.Cost) AS "Cost",
    sum(c.Cost) / uniqExact(t.rollout) AS "Cost a rollout",
    count() AS "Calls",
    countIf(isNull(c.Cost)) AS "Without a price"
FROM ({costs}) AS c
INNER JOIN ({rewarded_traces}) AS t ON t.trace_id = c.TraceId
GROUP BY "Agent"
ORDER BY "Cost" DESC
LIMIT 100

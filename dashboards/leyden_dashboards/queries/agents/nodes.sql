-- Agents and tools, Calls: the nodes. A span counts for its service, for the agent it names, and for what it is itself.
SELECT
    id,
    splitByString(': ', id, 2)[2] AS title,
    splitByString(': ', id, 2)[1] AS subtitle,
    concat(toString(sum(spans)), ' spans') AS mainstat,
    concat(toString(round(sum(ns) / sum(spans) / 1e6, 1)), ' ms') AS secondarystat,
    1 - sum(failed) / sum(spans) AS arc__success,
    sum(failed) / sum(spans) AS arc__errors
FROM
(
    SELECT
        spans, ns, failed,
        arrayJoin(arrayDistinct(arrayFilter(n -> n != '', [
            concat('service: ', ServiceName), if(AgentName != '', concat('agent: ', AgentName), ''), {node}
        ]))) AS id
    FROM
    (
        SELECT
            ServiceName, AgentName, Operation, Model, if(Operation = 'execute_tool', {tool}, '') AS tool,
            count() AS spans, sum(Duration) AS ns, countIf(StatusCode = 'Error') AS failed
        FROM otel_traces FINAL
        PREWHERE {spans}
        GROUP BY ServiceName, AgentName, Operation, Model, tool
    )
)
GROUP BY id
ORDER BY sum(spans) DESC
LIMIT 500

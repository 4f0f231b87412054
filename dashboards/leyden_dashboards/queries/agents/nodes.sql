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
            any(s.ServiceName) AS ServiceName, any(s.AgentName) AS AgentName, any(s.Operation) AS Operation,
            any(s.Model) AS Model, any(s.ToolName) AS ToolName,
            count() AS spans, sum(s.Duration) AS ns, countIf(s.StatusCode = 'Error') AS failed
        FROM
        (
            SELECT ServiceName, AgentName, Operation, Model, ToolName, Duration, StatusCode, {kind} AS kind
            FROM otel_traces FINAL
            PREWHERE {spans}
        ) AS s
        GROUP BY s.kind
    )
)
GROUP BY id
ORDER BY sum(spans) DESC
LIMIT 500

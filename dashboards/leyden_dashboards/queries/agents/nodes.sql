-- Agents and tools, Calls: the nodes. A span counts for its service, for the agent it names, and for what it is itself.
SELECT
    node AS id,
    splitByString(': ', node, 2)[2] AS title,
    splitByString(': ', node, 2)[1] AS subtitle,
    concat(toString(count()), ' spans') AS mainstat,
    concat(toString(round(avg(Duration) / 1e6, 1)), ' ms') AS secondarystat,
    countIf(StatusCode != 'Error') / count() AS arc__success,
    countIf(StatusCode = 'Error') / count() AS arc__errors
FROM
(
    SELECT
        Duration, StatusCode,
        arrayJoin(arrayDistinct(arrayFilter(n -> n != '', [
            concat('service: ', ServiceName), if(AgentName != '', concat('agent: ', AgentName), ''), {node}
        ]))) AS node
    FROM otel_traces FINAL
    WHERE {spans}
)
GROUP BY node
ORDER BY count() DESC
LIMIT 500

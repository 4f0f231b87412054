-- Agents and tools, Calls: the edges. The caller is the parent span if it is a node, else the trace's first agent, else
-- the service; an agent's own caller is its parent or the service. A trace's spans lie together, so each is read once.
SELECT
    concat(source, ' → ', target) AS id,
    source,
    target,
    concat(toString(count()), ' calls') AS mainstat
FROM
(
    SELECT
        target,
        multiIf(caller != '', caller,
                startsWith(target, 'agent: ') OR agent = '', concat('service: ', service),
                concat('agent: ', agent)) AS source
    FROM
    (
        SELECT
            groupArrayIf(SpanId, node != '') AS ids,
            groupArrayIf(ParentSpanId, node != '') AS parents,
            groupArrayIf(node, node != '') AS nodes,
            groupArrayIf(toString(ServiceName), node != '') AS services,
            toString(argMinIf(AgentName, Timestamp, AgentName != '')) AS agent
        FROM
        (
            SELECT TraceId, SpanId, ParentSpanId, Timestamp, ServiceName, AgentName, toString({node}) AS node
            FROM otel_traces FINAL
            WHERE {spans}
        )
        GROUP BY TraceId
        HAVING notEmpty(nodes)
    )
    ARRAY JOIN nodes AS target, services AS service, arrayMap(parent -> nodes[indexOf(ids, parent)], parents) AS caller
)
WHERE source != target
GROUP BY source, target
ORDER BY count() DESC
LIMIT 500

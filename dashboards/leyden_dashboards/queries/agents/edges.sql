-- Agents and tools, Calls: the edges. The caller is the parent span if it is a node, else the trace's first agent, else
-- the service; an agent's own caller is its parent or the service. A trace's spans lie together, so each is read once;
-- hashes stand for ids, which are but compared.
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
            groupArrayIf(id, node != '') AS ids,
            groupArrayIf(parent, node != '') AS parents,
            groupArrayIf(node, node != '') AS nodes,
            groupArrayIf(ServiceName, node != '') AS services,
            toString(argMinIf(AgentName, Timestamp, AgentName != '')) AS agent
        FROM
        (
            SELECT
                cityHash64(TraceId) AS trace, cityHash64(SpanId) AS id, cityHash64(ParentSpanId) AS parent, Timestamp,
                ServiceName, AgentName, if(Operation = 'execute_tool', {tool}, '') AS tool, toString({node}) AS node
            FROM otel_traces FINAL
            PREWHERE {spans}
        )
        GROUP BY trace
        HAVING notEmpty(nodes)
    )
    ARRAY JOIN nodes AS target, services AS service, arrayMap(parent -> nodes[indexOf(ids, parent)], parents) AS caller
)
WHERE source != target
GROUP BY source, target
ORDER BY count() DESC
LIMIT 500

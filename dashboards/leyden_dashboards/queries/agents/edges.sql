-- Agents and tools, Calls: the edges. The caller is the parent span if it is a node, else the trace's first agent, else
-- the service; an agent's own caller is its parent or the service. A trace's spans lie together, so each is read once;
-- hashes stand for ids, which are but compared, and for names until edges are few.
WITH {node_names}
SELECT
    concat(source, ' → ', target) AS id,
    names[indexOf(names.1, from_node)].2 AS source,
    names[indexOf(names.1, to_node)].2 AS target,
    concat(toString(calls), ' calls') AS mainstat
FROM
(
    SELECT multiIf(caller != 0, caller, of_agent OR agent = 0, service, agent) AS from_node, to_node, count() AS calls
    FROM
    (
        SELECT
            groupArrayIf(id, node != 0) AS ids,
            groupArrayIf(parent, node != 0) AS parents,
            groupArrayIf(node, node != 0) AS nodes,
            groupArrayIf(of_agent, node != 0) AS of_agents,
            groupArrayIf(service, node != 0) AS services,
            argMinIf(agent, Timestamp, agent != 0) AS agent
        FROM
        (
            SELECT
                cityHash64(TraceId) AS trace, cityHash64(SpanId) AS id, cityHash64(ParentSpanId) AS parent, Timestamp,
                {node_id} AS node,
                Operation IN ('invoke_agent', 'create_agent') AS of_agent,
                if(AgentName != '', toUInt64(cityHash64('agent', AgentName)), 0) AS agent,
                toUInt64(cityHash64('service', ServiceName)) AS service
            FROM otel_traces FINAL
            PREWHERE {spans}
        )
        GROUP BY trace
        HAVING notEmpty(nodes)
    )
    ARRAY JOIN
        nodes AS to_node, of_agents AS of_agent, services AS service,
        arrayMap(parent -> nodes[indexOf(ids, parent)], parents) AS caller
    WHERE from_node != to_node
    GROUP BY from_node, to_node
    ORDER BY calls DESC
    LIMIT 500
)
ORDER BY calls DESC

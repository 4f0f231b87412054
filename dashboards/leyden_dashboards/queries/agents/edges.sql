-- Agents and tools, Calls: the edges. The caller is the parent span if it is a node, else the trace's first agent, else
-- the service; an agent's own caller is its parent or the service.
WITH chosen AS
(
    SELECT TraceId, SpanId, ParentSpanId, Timestamp, ServiceName, AgentName, {node} AS node
    FROM otel_traces FINAL
    WHERE {spans}
)
SELECT
    concat(source, ' → ', target) AS id,
    source,
    target,
    concat(toString(count()), ' calls') AS mainstat
FROM
(
    SELECT
        c.node AS target,
        multiIf(p.node != '', p.node,
                startsWith(c.node, 'agent: ') OR a.agent = '', concat('service: ', c.ServiceName),
                concat('agent: ', a.agent)) AS source
    FROM (SELECT * FROM chosen WHERE node != '') AS c
    LEFT JOIN (SELECT TraceId, SpanId, node FROM chosen WHERE node != '') AS p
        ON p.TraceId = c.TraceId AND p.SpanId = c.ParentSpanId
    LEFT JOIN (SELECT TraceId, argMin(AgentName, Timestamp) AS agent FROM chosen WHERE AgentName != '' GROUP BY TraceId) AS a
        ON a.TraceId = c.TraceId
)
WHERE source != target
GROUP BY source, target
ORDER BY count() DESC
LIMIT 500

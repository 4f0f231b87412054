-- The name of every hash that the chosen spans are nodes by, their own, their agent's and their service's: for a WITH.
(
    SELECT groupUniqArrayArray([
        ({node_id}, {node}),
        (toUInt64(cityHash64('agent', AgentName)), concat('agent: ', AgentName)),
        (toUInt64(cityHash64('service', ServiceName)), concat('service: ', ServiceName))
    ])
    FROM
    (
        SELECT Operation, ToolName, AgentName, Model, ServiceName
        FROM otel_traces
        PREWHERE {spans}
        LIMIT 1 BY {kind}
    )
) AS names

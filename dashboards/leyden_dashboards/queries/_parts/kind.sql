-- A hash of all columns that a span is a node by, each of them hashed value by value of its dictionary, not row by row.
cityHash64(toUInt64(cityHash64(Operation)), toUInt64(cityHash64(ToolName)), toUInt64(cityHash64(AgentName)),
           toUInt64(cityHash64(Model)), toUInt64(cityHash64(ServiceName)))

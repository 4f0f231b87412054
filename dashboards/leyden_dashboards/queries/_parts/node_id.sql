-- A hash for what a span is in the graph of calls, as `node` names it; 0 is nothing of its own.
multiIf(Operation = 'execute_tool', toUInt64(cityHash64('tool', ToolName)),
        Operation IN ('invoke_agent', 'create_agent') AND AgentName != '', toUInt64(cityHash64('agent', AgentName)),
        Operation IN ('chat', 'generate_content', 'text_completion', 'embeddings') AND Model != '', toUInt64(cityHash64('model', Model)),
        0)

-- What a span is in the graph of calls; '' is nothing of its own.
multiIf(Operation = 'execute_tool', concat('tool: ', ToolName),
        Operation IN ('invoke_agent', 'create_agent') AND AgentName != '', concat('agent: ', AgentName),
        Operation IN ('chat', 'generate_content', 'text_completion', 'embeddings') AND Model != '', concat('model: ', Model),
        '')

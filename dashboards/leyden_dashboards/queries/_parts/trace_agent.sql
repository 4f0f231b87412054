-- The agent of a trace, from `traces`: the one it names, else its service.
if(max(t.AgentName) != '', toString(max(t.AgentName)), argMinMerge(t.ServiceName))

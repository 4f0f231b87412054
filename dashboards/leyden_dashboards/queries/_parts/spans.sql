-- The chosen spans of `otel_traces`: the time picks hours of its key, the project comes first in it.
$__timeFilter(Timestamp)
AND $__conditionalAll(Project IN (${project:singlequote}), $project)
AND $__conditionalAll(ServiceName IN (${service:singlequote}), $service)
AND $__conditionalAll(GroupId IN (${group:singlequote}), $group)
AND $__conditionalAll(TraceId IN (
    SELECT TraceId FROM traces AS t WHERE {hours} GROUP BY TraceId HAVING {trace_agent} IN (${agent:singlequote})
), $agent)

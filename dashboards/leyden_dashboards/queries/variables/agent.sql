-- Asked by the agent variable: the summary `traces`, by Hour and project.
SELECT DISTINCT agent FROM
(
    SELECT {trace_agent} AS agent FROM traces AS t
    WHERE {hours} AND $__conditionalAll(Project IN (${project:singlequote}), $project)
    GROUP BY cityHash64(TraceId)
)
ORDER BY agent LIMIT 500

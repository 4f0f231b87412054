-- Asked by the service variable: `otel_traces`, by time and project.
SELECT DISTINCT ServiceName FROM otel_traces
WHERE $__timeFilter(Timestamp) AND $__conditionalAll(Project IN (${project:singlequote}), $project)
ORDER BY ServiceName LIMIT 500

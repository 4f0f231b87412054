-- Asked by the model variable: `otel_traces`, by time and project.
SELECT DISTINCT Model FROM otel_traces
WHERE $__timeFilter(Timestamp) AND Model != '' AND $__conditionalAll(Project IN (${project:singlequote}), $project)
ORDER BY Model LIMIT 500

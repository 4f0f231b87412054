-- Asked by the rollout group variable: the summary `traces`, by Hour and project.
SELECT DISTINCT toString(GroupId) AS rollout_group FROM traces
WHERE {hours} AND GroupId != '' AND $__conditionalAll(Project IN (${project:singlequote}), $project)
ORDER BY rollout_group LIMIT 1000

-- The chosen LLM calls and what they cost, from the view `turn_costs`: a condition on the time reaches the spans' key.
SELECT Timestamp, TraceId, Model, AgentName, Project, InputTokens, CachedTokens, Cost, CostSource
FROM turn_costs
WHERE toStartOfHour(Timestamp) >= toStartOfHour($__fromTime) AND $__timeFilter(Timestamp)
  AND $__conditionalAll(Project IN (${project:singlequote}), $project)
  AND $__conditionalAll(Model IN (${model:singlequote}), $model)
  AND (TraceId, SpanId) IN (SELECT TraceId, SpanId FROM otel_traces WHERE {llm_spans})

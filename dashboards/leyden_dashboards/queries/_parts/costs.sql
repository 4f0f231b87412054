-- The chosen LLM calls and what they cost, from the view `turn_costs`: a condition on the time reaches the spans' key.
SELECT Timestamp, TraceId, Model, AgentName, Project, InputTokens, CachedTokens, Cost, CostSource
FROM turn_costs
WHERE toStartOfHour(Timestamp) >= toStartOfHour($__fromTime) AND {spans}
  AND $__conditionalAll(Model IN (${model:singlequote}), $model)

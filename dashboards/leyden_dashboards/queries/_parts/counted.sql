-- The chosen LLM calls counted for their cost, within a group that holds `model` and `day`. Costs are sums, so a group is
-- priced as a whole; calls that say their own cost are summed apart, and calls without tokens have no price.
count() AS calls,
sumIf(told, isNotNull(told)) AS recorded,
countIf(isNotNull(told)) AS calls_told,
countIf(isNull(told) AND InputTokens + OutputTokens = 0) AS calls_empty,
sumIf(InputTokens, isNull(told)) AS tokens_in,
sumIf(OutputTokens, isNull(told)) AS tokens_out,
sumIf(cached, isNull(told)) AS tokens_cached,
sumIf(reasoned, isNull(told)) AS tokens_reasoned

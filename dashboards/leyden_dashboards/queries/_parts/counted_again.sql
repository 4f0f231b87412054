-- Sums of `counted`, for a coarser group.
sum(c.calls) AS calls, sum(c.recorded) AS recorded, sum(c.calls_told) AS calls_told, sum(c.calls_empty) AS calls_empty,
sum(c.tokens_in) AS tokens_in, sum(c.tokens_out) AS tokens_out, sum(c.tokens_cached) AS tokens_cached,
sum(c.tokens_reasoned) AS tokens_reasoned

-- LLM cost and quality, Cost.
WITH {prices}
SELECT if(sum(calls_told) > 0 OR countIf(has_price) > 0, sum(dollars), NULL) AS cost FROM ({costs})

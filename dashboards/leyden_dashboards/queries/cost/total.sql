-- LLM cost and quality, Cost.
SELECT sum(Cost) AS cost FROM ({costs})

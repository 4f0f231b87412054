-- LLM cost and quality, Cost by model.
WITH {prices}
SELECT time, toString(model) AS model, if(sum(calls_told) > 0 OR countIf(has_price) > 0, sum(dollars), NULL) AS cost
FROM (SELECT $__timeInterval(Timestamp) AS time, model, day, {counted} FROM ({calls}) GROUP BY time, model, day)
GROUP BY time, model
ORDER BY time, model

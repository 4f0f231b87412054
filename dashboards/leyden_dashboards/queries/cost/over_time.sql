-- LLM cost and quality, Cost by model.
SELECT $__timeInterval(Timestamp) AS time, toString(Model) AS model, sum(Cost) AS cost
FROM ({costs})
GROUP BY time, model
ORDER BY time, model

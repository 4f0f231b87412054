-- What the chosen LLM calls cost, by model and day.
SELECT model, day, {counted} FROM ({calls}) GROUP BY model, day

-- LLM cost and quality, Calls without a price: neither they nor the table say what they cost.
SELECT countIf(isNull(Cost)) AS calls FROM ({costs})

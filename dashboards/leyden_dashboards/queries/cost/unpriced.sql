-- LLM cost and quality, Calls without a price: neither they nor the table say what they cost.
WITH {prices}
SELECT sum(if(has_price, calls_empty, toUInt64(calls - calls_told))) AS calls FROM ({costs})

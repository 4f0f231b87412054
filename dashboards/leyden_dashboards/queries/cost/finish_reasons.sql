-- LLM cost and quality, Finish reasons: how LLM calls ended.
WITH
    coalesce(
        nullIf(JSONExtract(SpanAttributes['gen_ai.response.finish_reasons'], 'Array(String)')[1], ''),
        nullIf(SpanAttributes['gen_ai.completion.0.finish_reason'], ''),
        nullIf(SpanAttributes['ai.response.finishReason'], ''), '') AS reason
SELECT if(reason != '', reason, '(not recorded)') AS "Ended", count() AS "Calls"
FROM otel_traces FINAL
WHERE {llm_spans}
GROUP BY "Ended"
ORDER BY "Calls" DESC
LIMIT 20

-- The chosen LLM calls, with what they say of their cost.
SELECT
    Timestamp, TraceId, Model AS model, toDate(Timestamp) AS day, InputTokens, OutputTokens,
    {cached} AS cached,
    least(OutputTokens, toUInt32OrZero(firstNonDefault(
        Facets['gen_ai.usage.reasoning.output_tokens'], Facets['gen_ai.usage.reasoning_tokens'],
        Facets['gen_ai.usage.details.reasoning_tokens'], Facets['llm.token_count.completion_details.reasoning'],
        Facets['ai.usage.reasoningTokens']))) AS reasoned,
    toFloat64OrNull(firstNonDefault(Facets['leyden.cost'], Facets['gen_ai.usage.cost'], Facets['llm.cost.total'])) AS told
FROM otel_traces FINAL
PREWHERE {llm_spans}

-- LLM cost and quality, Input read from the providers' caches.
SELECT sum(CachedTokens) / nullIf(sum(InputTokens), 0) AS share
FROM otel_traces FINAL
PREWHERE {llm_spans}

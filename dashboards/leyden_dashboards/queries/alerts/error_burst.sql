-- Alert, Error burst: the share of LLM and tool calls that failed; 0 where there were fewer than twenty.
SELECT if(count() < 20, 0, countIf(StatusCode = 'Error') / count()) AS share
FROM otel_traces FINAL
PREWHERE $__timeFilter(Timestamp) AND Operation IN ('chat', 'generate_content', 'text_completion', 'execute_tool')

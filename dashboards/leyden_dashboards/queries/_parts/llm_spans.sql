-- The chosen LLM calls of `otel_traces`.
{spans}
AND {llm}
AND $__conditionalAll(Model IN (${model:singlequote}), $model)

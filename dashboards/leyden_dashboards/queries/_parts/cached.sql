-- Input tokens of a call that its provider read from a cache.
least(InputTokens, toUInt32OrZero(firstNonDefault(
    Facets['gen_ai.usage.cache_read.input_tokens'], Facets['gen_ai.usage.cache_read_input_tokens'],
    Facets['llm.token_count.prompt_details.cache_read'], Facets['ai.usage.cachedInputTokens'])))

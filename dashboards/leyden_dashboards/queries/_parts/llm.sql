-- An LLM call, as the store counts them.
Operation IN ('chat', 'generate_content', 'text_completion')

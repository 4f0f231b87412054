-- A hash for the prompt and its version that a call was made with.
cityHash64(toUInt64(cityHash64(PromptName)), toUInt64(cityHash64(PromptVersion)))

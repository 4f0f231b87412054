"""Automatic prompt optimisation: beam search over prompt templates, edited after a language model's critique."""

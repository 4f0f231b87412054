"""Evaluation: rollouts of a task set under one prompt, model or checkpoint, and which of two is better."""

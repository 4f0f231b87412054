"""The demo's parts: a task, an agent that solves it, a tiny model that plays the policy, and the training recipe."""

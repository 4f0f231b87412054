"""A small OpenAI-compatible server that samples from a model on any machine and says which tokens it sampled.

It stands where vLLM stands on a GPU, and names its fields as vLLM does. Start it with
`python -m leyden_trainers.policy_server --model DIR`.
"""

"""The Lightning Server: OpenAI's API over a model of ours, which says which tokens it sampled, or over an upstream.

`app.py` is the front, `policy.py` and `upstream.py` are the two that stand behind it, and `recording/` tells a
collector what passed. Fields for token ids have vLLM's names. Start it with `leyden serve`.
"""

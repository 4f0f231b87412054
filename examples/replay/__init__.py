"""A server that replays: it speaks OpenAI's chat and responses APIs and Anthropic's messages, and knows no model.

What it says is in `replies.json`, by rule: the first that fits the end of the conversation. So the examples run
anywhere:

    python -m examples.replay -- leyden run -- python examples/tool_agent/agent.py
"""

"""LangChain's tool-calling agent, streaming from the model.

python agent.py "Is it warmer in Oslo or in Paris?"
"""

import os
import sys

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI


def weather(city: str) -> str:
    """How warm it is in a city now."""
    return {"Oslo": "9 °C", "Paris": "18 °C"}.get(city, "unknown")


if __name__ == "__main__":
    question = " ".join(sys.argv[1:]) or "Is it warmer in Oslo or in Paris?"
    agent = create_agent(
        ChatOpenAI(model=os.environ.get("OPENAI_MODEL", "gpt-5-mini"), streaming=True),
        tools=[weather],
        system_prompt="Answer questions about the weather.",
        name="meteorologist",
    )
    print(agent.invoke({"messages": [("user", question)]})["messages"][-1].content)

"""An agent of Pydantic AI's with one tool.

python agent.py "Is it warmer in Oslo or in Paris?"
"""

import os
import sys

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel

agent = Agent(
    OpenAIChatModel(os.environ.get("OPENAI_MODEL", "gpt-5-mini")),
    name="meteorologist",
    instructions="Answer questions about the weather.",
)


@agent.tool_plain
def weather(city: str) -> str:
    """How warm it is in a city now."""
    return {"Oslo": "9 °C", "Paris": "18 °C"}.get(city, "unknown")


if __name__ == "__main__":
    question = " ".join(sys.argv[1:]) or "Is it warmer in Oslo or in Paris?"
    print(agent.run_sync(question).output)

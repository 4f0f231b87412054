"""Two agents of the OpenAI Agents SDK: a receptionist hands the question over to a meteorologist, who has a tool.

python agent.py "Is it warmer in Oslo or in Paris?"
"""

import os
import sys

from agents import Agent, Runner, function_tool, set_default_openai_client
from openai import AsyncOpenAI

# With the key out of the environment, the SDK sends no traces of its own to OpenAI.
set_default_openai_client(AsyncOpenAI(api_key=os.environ.pop("OPENAI_API_KEY", "none")), use_for_tracing=False)
MODEL = os.environ.get("OPENAI_MODEL", "gpt-5-mini")


@function_tool
def weather(city: str) -> str:
    """How warm it is in a city now."""
    return {"Oslo": "9 °C", "Paris": "18 °C"}.get(city, "unknown")


meteorologist = Agent(
    name="meteorologist", instructions="Answer questions about the weather.", model=MODEL, tools=[weather]
)
receptionist = Agent(
    name="receptionist", instructions="Hand each question to who knows.", model=MODEL, handoffs=[meteorologist]
)


if __name__ == "__main__":
    question = " ".join(sys.argv[1:]) or "Is it warmer in Oslo or in Paris?"
    print(Runner.run_sync(receptionist, question).final_output)

"""A tool-calling agent of smolagents'."""

import os

from smolagents import OpenAIServerModel, ToolCallingAgent, tool


@tool
def weather(city: str) -> str:
    """How warm it is in a city now.

    Args:
        city: the city's name
    """
    return {"Oslo": "9 °C", "Paris": "18 °C"}.get(city, "unknown")


model = OpenAIServerModel(
    os.environ["OPENAI_MODEL"], api_base=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"]
)
agent = ToolCallingAgent(
    tools=[weather], model=model, name="meteorologist", description="knows weather", verbosity_level=0
)
print(agent.run("Is it warmer in Oslo or in Paris?", max_steps=4))

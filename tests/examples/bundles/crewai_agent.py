"""A crew of one, of CrewAI's."""

import os

from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool


@tool("weather")
def weather(city: str) -> str:
    """How warm it is in a city now."""
    return {"Oslo": "9 °C", "Paris": "18 °C"}.get(city, "unknown")


model = LLM(
    model="openai/" + os.environ["OPENAI_MODEL"],
    base_url=os.environ["OPENAI_BASE_URL"],
    api_key=os.environ["OPENAI_API_KEY"],
)
agent = Agent(role="meteorologist", goal="answer", backstory="knows the weather", llm=model, tools=[weather])
task = Task(description="Is it warmer in Oslo or in Paris?", expected_output="one line", agent=agent)
print(Crew(agents=[agent], tasks=[task]).kickoff())

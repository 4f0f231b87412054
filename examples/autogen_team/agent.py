"""A team of AutoGen's AgentChat: a meteorologist with a tool answers, an editor approves.

python agent.py "Is it warmer in Oslo or in Paris?"
"""

import asyncio
import os
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import ModelFamily, ModelInfo
from autogen_ext.models.openai import OpenAIChatCompletionClient

INFO = ModelInfo(
    vision=False, function_calling=True, json_output=False, structured_output=False, family=ModelFamily.UNKNOWN
)


async def weather(city: str) -> str:
    """How warm it is in a city now."""
    return {"Oslo": "9 °C", "Paris": "18 °C"}.get(city, "unknown")


async def answer(question: str) -> str:
    """What the team says at last but one: the editor only approves."""
    client = OpenAIChatCompletionClient(model=os.environ.get("OPENAI_MODEL", "gpt-5-mini"), model_info=INFO)
    meteorologist = AssistantAgent(
        "meteorologist",
        client,
        tools=[weather],
        reflect_on_tool_use=True,
        system_message="Answer questions about the weather.",
    )
    editor = AssistantAgent("editor", client, system_message="Say APPROVED if the question is answered.")
    stop = TextMentionTermination("APPROVED", sources=["editor"]) | MaxMessageTermination(12)
    result = await RoundRobinGroupChat([meteorologist, editor], termination_condition=stop).run(task=question)
    await client.close()
    return result.messages[-2].to_text()


if __name__ == "__main__":
    print(asyncio.run(answer(" ".join(sys.argv[1:]) or "Is it warmer in Oslo or in Paris?")))

"""A function-calling agent of LlamaIndex's."""

import asyncio
import os

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai_like import OpenAILike


def weather(city: str) -> str:
    """How warm it is in a city now."""
    return {"Oslo": "9 °C", "Paris": "18 °C"}.get(city, "unknown")


async def main() -> None:
    model = OpenAILike(
        model=os.environ["OPENAI_MODEL"],
        api_base=os.environ["OPENAI_BASE_URL"],
        api_key=os.environ["OPENAI_API_KEY"],
        is_chat_model=True,
        is_function_calling_model=True,
    )
    agent = FunctionAgent(name="meteorologist", tools=[weather], llm=model, system_prompt="Answer about the weather.")
    print(await agent.run("Is it warmer in Oslo or in Paris?"))


asyncio.run(main())

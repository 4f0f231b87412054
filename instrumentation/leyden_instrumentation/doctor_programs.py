"""The smallest program on each library, which asks the echo server one question: what the doctor records.

python -m leyden_instrumentation.doctor_programs LIBRARY URL
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from leyden_instrumentation.doctor_echo import QUESTION

_MODEL = "leyden-doctor"


def anthropic(url: str) -> None:
    client = _module("anthropic").Anthropic(base_url=url.removesuffix("/v1"), api_key="none", max_retries=0)
    client.messages.create(model=_MODEL, max_tokens=9, messages=_messages())


def autogen(url: str) -> None:
    info = {"vision": False, "function_calling": False, "json_output": False, "structured_output": False}
    made = _module("autogen_ext.models.openai").OpenAIChatCompletionClient
    model = made(model=_MODEL, base_url=url, api_key="none", model_info=info | {"family": "unknown"})
    agent = _module("autogen_agentchat.agents").AssistantAgent("doctor", model)
    asyncio.run(agent.run(task=QUESTION))


def bedrock(url: str) -> None:
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "eu-north-1"}
    client = _module("boto3").client("bedrock-runtime", endpoint_url=url.removesuffix("/v1"), **keys)
    client.converse(modelId=_MODEL, messages=[{"role": "user", "content": [{"text": QUESTION}]}])


def crewai(url: str) -> None:
    library = _module("crewai")
    model = library.LLM(model=f"openai/{_MODEL}", base_url=url, api_key="none")
    agent = library.Agent(role="doctor", goal="ask", backstory="asks", llm=model)
    task = library.Task(description=QUESTION, expected_output="words", agent=agent)
    library.Crew(agents=[agent], tasks=[task]).kickoff()


def google_genai(url: str) -> None:
    options = _module("google.genai.types").HttpOptions(base_url=url.removesuffix("/v1"))
    client = _module("google.genai").Client(api_key="none", http_options=options)
    client.models.generate_content(model=_MODEL, contents=QUESTION)


def langchain(url: str) -> None:
    made = _module("langchain_openai").ChatOpenAI
    made(model=_MODEL, base_url=url, api_key="none", max_retries=0).invoke(QUESTION)


def litellm(url: str) -> None:
    _module("litellm").completion(model=f"openai/{_MODEL}", api_base=url, api_key="none", messages=_messages())


def openai_agents(url: str) -> None:
    library, client = _module("agents"), _module("openai").AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    agent = library.Agent(name="doctor", model=library.OpenAIChatCompletionsModel(_MODEL, client))
    library.Runner.run_sync(agent, QUESTION)


def pydantic_ai(url: str) -> None:
    provider = _module("pydantic_ai.providers.openai").OpenAIProvider(base_url=url, api_key="none")
    model = _module("pydantic_ai.models.openai").OpenAIChatModel(_MODEL, provider=provider)
    _module("pydantic_ai").Agent(model, name="doctor").run_sync(QUESTION)


def smolagents(url: str) -> None:
    library = _module("smolagents")
    model = library.OpenAIServerModel(_MODEL, api_base=url, api_key="none")
    library.ToolCallingAgent(tools=[], model=model, name="doctor", description="asks").run(QUESTION, max_steps=1)


PROGRAMS: dict[str, Callable[[str], None]] = {
    "anthropic": anthropic,
    "autogen": autogen,
    "bedrock": bedrock,
    "crewai": crewai,
    "google-genai": google_genai,
    "langchain": langchain,
    "litellm": litellm,
    "openai-agents": openai_agents,
    "pydantic-ai": pydantic_ai,
    "smolagents": smolagents,
}
"""By library. openai has a closer look of its own, `doctor_probe`."""

MODULES = {
    "anthropic": "anthropic",
    "autogen": "autogen_ext.models.openai",
    "bedrock": "boto3",
    "langchain": "langchain_openai",
    "openai-agents": "agents",
    "pydantic-ai": "pydantic_ai.models.openai",
}
"""What a program needs, where that may be missing beside its library."""


def _module(name: str) -> Any:
    return importlib.import_module(name)


def _messages() -> list[dict[str, str]]:
    return [{"role": "user", "content": QUESTION}]


def main(argv: list[str]) -> int:
    # Nothing but the question goes anywhere: not to a trace page, a price list or a statistic of the library's own.
    os.environ.pop("OPENAI_API_KEY", None)
    library, url = argv
    try:
        PROGRAMS[library](url)
    except Exception as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A loop around the openai SDK whose tools are those of an MCP server, started as a process of its own.

python agent.py "Is it warmer in Oslo or in Paris?"
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from openai import AsyncOpenAI

SERVER = StdioServerParameters(
    command=sys.executable, args=[str(Path(__file__).with_name("weather_server.py"))], env=dict(os.environ)
)


async def answer(question: str, max_turns: int = 8) -> str:
    """Ask the model, run the tools it calls on the server, until it answers in words."""
    messages: list = [
        {"role": "system", "content": "Answer questions about the weather."},
        {"role": "user", "content": question},
    ]
    async with (
        stdio_client(SERVER) as (read, write),
        ClientSession(read, write) as server,
        AsyncOpenAI() as client,
    ):
        await server.initialize()
        listed = (await server.list_tools()).tools
        tools = [
            {
                "type": "function",
                "function": {"name": t.name, "description": t.description, "parameters": t.input_schema},
            }
            for t in listed
        ]
        for _ in range(max_turns):
            reply = await client.chat.completions.create(
                model=os.environ.get("OPENAI_MODEL", "gpt-5-mini"), messages=messages, tools=tools
            )
            message = reply.choices[0].message
            if not message.tool_calls:
                return message.content or ""
            messages.append(message)
            for call in message.tool_calls:
                result = await server.call_tool(call.function.name, json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result.content[0].text})
    return "no answer"


if __name__ == "__main__":
    print(asyncio.run(answer(" ".join(sys.argv[1:]) or "Is it warmer in Oslo or in Paris?")))

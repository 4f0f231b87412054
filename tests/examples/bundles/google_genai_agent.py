"""A loop around Google's GenAI SDK with one tool."""

import os

from google import genai
from google.genai import types

QUESTION = "Is it warmer in Oslo or in Paris?"


def weather(city: str) -> str:
    """How warm it is in a city now."""
    return {"Oslo": "9 °C", "Paris": "18 °C"}.get(city, "unknown")


client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=os.environ["GOOGLE_BASE_URL"]))
chat = client.chats.create(model="replayed", config=types.GenerateContentConfig(tools=[weather]))
print(chat.send_message(QUESTION).text)

"""A loop around Bedrock's Converse API with one tool."""

import os

import boto3

client = boto3.client(
    "bedrock-runtime",
    endpoint_url=os.environ["BEDROCK_BASE_URL"],
    region_name="eu-north-1",
    aws_access_key_id="none",
    aws_secret_access_key="none",
)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"toolSpec": {"name": "weather", "description": "How warm it is.", "inputSchema": {"json": SCHEMA}}}
messages: list = [{"role": "user", "content": [{"text": "Is it warmer in Oslo or in Paris?"}]}]
while True:
    reply = client.converse(modelId="replayed", messages=messages, toolConfig={"tools": [TOOL]})["output"]["message"]
    messages.append(reply)
    calls = [part["toolUse"] for part in reply["content"] if "toolUse" in part]
    if not calls:
        break
    found = {"Oslo": "9 °C", "Paris": "18 °C"}
    results = [
        {"toolResult": {"toolUseId": c["toolUseId"], "content": [{"text": found[c["input"]["city"]]}]}} for c in calls
    ]
    messages.append({"role": "user", "content": results})
print(reply["content"][0]["text"])

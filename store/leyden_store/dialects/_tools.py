"""Tool definitions and request parameters under OpenAI's names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from leyden_store.dialects._values import Unreadable, mapping, parsed
from leyden_store.spans import Attributes


def tools(definitions: Any, attribute: str) -> list[dict[str, Any]]:
    """Tool definitions as `{"type": "function", "function": {name, description, parameters}}`.

    A definition that is no function (a hosted tool) is kept as it came. Raises Unreadable on broken content.
    """
    if definitions is None:
        return []
    if isinstance(definitions, dict):
        definitions = [definitions]
    if not isinstance(definitions, list | tuple) or isinstance(definitions, str):
        raise Unreadable(attribute, "tool definitions are no list")
    return [_tool(definition, attribute) for definition in definitions]


def defined(attributes: Attributes, key: str) -> list[dict[str, Any]]:
    """The tool definitions of one attribute. Every call repeats them, so a text that was read is not read again.

    Raises Unreadable on broken content.
    """
    value = attributes.get(key)
    return list(_defined(value, key)) if isinstance(value, str) else tools(value, key)


@lru_cache(maxsize=64)
def _defined(value: str, key: str) -> list[dict[str, Any]]:
    return tools(parsed({key: value}, key), key)


def _tool(definition: Any, attribute: str) -> dict[str, Any]:
    definition = _loaded(definition, attribute)
    if not isinstance(definition, dict):
        raise Unreadable(attribute, f"a tool definition is a {type(definition).__name__}, not an object")
    function = mapping(definition.get("function")) or definition
    name = function.get("name")
    if not isinstance(name, str) or definition.get("type", "function") != "function":
        return {key: value for key, value in definition.items() if value is not None}
    described: dict[str, Any] = {"name": name}
    if function.get("description"):
        described["description"] = function["description"]
    parameters = function.get("parameters", function.get("input_schema"))
    if parameters is not None:
        described["parameters"] = _loaded(parameters, attribute)
    return {"type": "function", "function": described}


def _loaded(value: Any, attribute: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise Unreadable(attribute, f"no JSON ({error})") from None


_NAMES = {"max_completion_tokens": "max_tokens", "max_output_tokens": "max_tokens", "stop_sequences": "stop"}
# Content, transport and the model are no parameters: they stand elsewhere in the turn or say nothing of the policy.
_NO_PARAMETERS = frozenset(
    {
        "model", "messages", "input", "instructions", "prompt", "tools", "functions", "stream", "stream_options",
        "extra_headers", "extra_query", "timeout", "user", "model_name", "_type", "store", "metadata",
    }
)  # fmt: skip


def params(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Request parameters under OpenAI's names: one spelling of the token limit, `stop` always a list."""
    named: dict[str, Any] = {}
    for key, value in raw.items():
        if value is None or key in _NO_PARAMETERS:
            continue
        if key == "extra_body" and isinstance(value, dict):
            named.update({k: v for k, v in params(value).items() if k not in named})
            continue
        key = _NAMES.get(key, key)
        named[key] = [value] if key == "stop" and isinstance(value, str) else value
    return named

"""OpenTelemetry's instrumentation of the openai client, and what is added so that nothing is missing under it.

It makes the spans of chat, the Responses API and embeddings. The words of a chat are written by our hooks (`records`),
which have them from the wire, for less time and whole, so it is told to leave them. It has none of what is embedded:
those are ours too. What it does not know (completions of old, assistants, images, realtime, `.parse` before openai
1.92), OpenLLMetry's records, where that is installed.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import os
from typing import Any

import wrapt

from leyden_instrumentation import client_hooks, records
from leyden_instrumentation.libraries import OPENAI, is_installed

_log = logging.getLogger("leyden_instrumentation")

_WRITERS = ("create_chat_invocation", "_set_response_properties")
"""Of its module `patch`: what writes a chat's words, and takes `capture_content`."""


def complete() -> None:
    """Bring both about, once the instrumentation is loaded."""
    if client_hooks.install("openai") and _nobody_else_wants_words():
        _leave_words_to_us()
    if is_installed(OPENAI.choices["traceloop"]):
        try:
            _record_the_rest()
        except Exception as error:
            _log.debug("leyden: %s does not record what is left: %s", OPENAI.choices["traceloop"], error)


def _nobody_else_wants_words() -> bool:
    """Whether words go on spans alone: log events and hooks of the user's get them from the instrumentation."""
    return records.mode() == "SPAN_ONLY" and not os.environ.get("OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK")


def _leave_words_to_us() -> None:
    """Where a later version writes them by other means, it writes them, and ours stand over them."""
    module: Any = importlib.import_module("opentelemetry.instrumentation.genai.openai.patch")
    for name in _WRITERS:
        function = getattr(module, name, None)
        if function is not None and "capture_content" in inspect.signature(function).parameters:
            setattr(module, name, _without_words(function))


def _without_words(function: Any) -> Any:
    place = list(inspect.signature(function).parameters).index("capture_content")

    def silent(*args: Any, **kwargs: Any) -> Any:
        if len(args) > place:
            return function(*args[:place], False, *args[place + 1 :], **kwargs)
        return function(*args, **kwargs | {"capture_content": False})

    return silent


def _record_the_rest() -> None:
    """Have OpenLLMetry's instrumentation wrap what nobody has wrapped."""
    module: Any = importlib.import_module("opentelemetry.instrumentation.openai.v1")
    wrap = module.wrap_function_wrapper

    def wrap_what_is_left(target: Any, name: str, wrapper: Any) -> Any:
        found = wrapt.resolve_path(target, name)[2]
        return None if isinstance(found, wrapt.FunctionWrapper) else wrap(target, name, wrapper)

    module.wrap_function_wrapper = wrap_what_is_left
    try:
        module.OpenAIV1Instrumentor().instrument(skip_dep_check=True)
    finally:
        module.wrap_function_wrapper = wrap

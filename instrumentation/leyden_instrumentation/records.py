"""What is said in the calls under way, kept until their spans end, and written when these are read.

Written last, it stands over what a framework that makes the span knows of the same call: it is what went over the wire.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.trace import Span

from leyden_instrumentation import content
from leyden_instrumentation.deferred import Deferred, Maker
from leyden_instrumentation.settings import GENAI_CONTENT

_SCOPE = "opentelemetry.instrumentation.genai."
"""Instrumentations whose spans hold content in the convention's attributes, which are ours to write."""
_WORDS: dict[str, Callable[[Mapping[str, Any]], dict[str, str]]] = {
    "/chat/completions": content.of_request,
    "/embeddings": content.of_embedding,
}
"""By the end of a request's path: what its body says."""
_ON_SPANS = frozenset({"SPAN_ONLY", "SPAN_AND_EVENT"})

_PLACE = "_leyden_call"
"""Where a span under way has what makes the attributes of its request, `asked`, and of its reply, `answered`.

It is on the span itself, since proxies that stand for one hand on what is set on them.
"""


def asked(span: Span, path: str, body: Mapping[str, Any]) -> None:
    """A request is to be made. What an earlier attempt brought counts no more."""
    words = _words(path)
    if words is not None and are_wanted(span):
        setattr(span, _PLACE, {"asked": functools.partial(words, body)})


def sent(span: Span, path: str, request: Any) -> None:
    """It is made: what the program changes in its messages from here on was not said."""
    call, words = getattr(span, _PLACE, None), _words(path)
    if call and "asked" in call and words is not None:
        call["asked"] = functools.partial(_of_json, words, request.content)


def answered(span: Span, reply: Maker) -> None:
    """A reply says something to a span; what, is asked for when the span has ended."""
    setattr(span, _PLACE, {**getattr(span, _PLACE, {}), "answered": reply})


def end(span: Any) -> None:
    """The span ends: whoever reads it will find what there is."""
    call = vars(span).pop(_PLACE, None)
    if call:
        # The SDK seals attributes before its last hook, and offers no other; this mapping is what it exports.
        span._attributes = Deferred(span._attributes, functools.partial(_made, call))


def are_wanted(span: object) -> bool:
    """Whether content is to be on this span, and in the convention's words."""
    scope = getattr(span, "instrumentation_scope", None)
    return scope is not None and scope.name.startswith(_SCOPE) and mode() in _ON_SPANS


@functools.cache
def mode() -> str:
    """Where the convention's own switch puts content in this process, in capitals."""
    return os.environ.get(GENAI_CONTENT, "").strip().upper()


@functools.lru_cache(256)
def _words(path: str) -> Callable[[Mapping[str, Any]], dict[str, str]] | None:
    return next((words for end, words in _WORDS.items() if path.endswith(end)), None)


def _of_json(words: Callable[[Mapping[str, Any]], dict[str, str]], body: bytes) -> dict[str, str]:
    return words(json.loads(body))


def _made(call: Mapping[str, Maker]) -> dict[str, Any]:
    return {name: value for make in call.values() for name, value in make().items()}

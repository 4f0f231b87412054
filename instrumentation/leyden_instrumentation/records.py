"""What is said in the calls under way, kept until their spans end, and written then.

Written last, it stands over what a framework that makes the span knows of the same call: it is what went over the wire.
"""

from __future__ import annotations

import functools
import os
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.trace import Span

from leyden_instrumentation import content, spans
from leyden_instrumentation.settings import GENAI_CONTENT

Reply = Callable[[], dict[str, Any]]
"""The attributes of what came back, as far as it came."""

_SCOPE = "opentelemetry.instrumentation.genai."
"""Instrumentations whose spans hold content in the convention's attributes, which are ours to write."""
_ON_SPANS = frozenset({"SPAN_ONLY", "SPAN_AND_EVENT"})

_requests: weakref.WeakKeyDictionary[Span, dict[str, str]] = weakref.WeakKeyDictionary()
_replies: weakref.WeakKeyDictionary[Span, Reply] = weakref.WeakKeyDictionary()


def asked(span: Span, path: str, body: Mapping[str, Any]) -> None:
    """A request goes out. What an earlier attempt brought counts no more."""
    if path.endswith("/chat/completions") and are_wanted(span):
        _requests[span] = content.of_request(body)
        _replies.pop(span, None)


def answered(span: Span, reply: Reply) -> None:
    """A reply comes in to a span that content is wanted on; what it says is asked for when the span ends."""
    _replies[span] = reply


def end(span: Span) -> None:
    """The span ends: write what there is."""
    request, reply = _requests.pop(span, None), _replies.pop(span, None)
    if request or reply:
        spans.write_at_end(span, {**(request or {}), **(reply() if reply else {})})


def are_wanted(span: object) -> bool:
    """Whether content is to be on this span, and in the convention's words."""
    scope = getattr(span, "instrumentation_scope", None)
    return scope is not None and scope.name.startswith(_SCOPE) and mode() in _ON_SPANS


@functools.cache
def mode() -> str:
    """Where the convention's own switch puts content in this process, in capitals."""
    return os.environ.get(GENAI_CONTENT, "").strip().upper()

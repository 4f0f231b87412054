"""The bodies of replies that our asking for token ids has made long: read by the client in less time.

What our fields bring is cut out before the client parses the rest. As text it waits until the span is read, on another
thread than the agent's.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

# Within a string their quotes would be escaped: where they stand like this, they are keys.
_PROMPT_IDS = b'"prompt_token_ids":'
_IDS = b'"token_ids":'
_LOGPROBS = b'"logprobs":'
_OPENED = b'{"content":['
_LAST = b'"top_logprobs":[]}]'
_CLOSED = (b"}", b',"refusal":null}')
_LONG = 65536
"""Bytes of logprobs that are not kept as text: spans may wait, and as numbers they take a third of the memory."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What was cut out of a reply, as JSON text; None where it was not.

    prompt:   a flat list of ids
    ids:      of the only choice
    logprobs: of the only choice, `{"content": [...]}`
    """

    prompt: bytes | None = None
    ids: bytes | None = None
    logprobs: bytes | None = None


NOTHING = Cut()


def cut(response: Any, added: Collection[str]) -> Cut:
    """Cut what these fields of ours brought out of a chat's reply that was read whole; it then says null instead.

    What is not written as vLLM does, without spaces, stays: it is read with the rest.
    """
    body = getattr(response, "_content", None)
    if not isinstance(body, bytes):
        return NOTHING
    prompt = ids = logprobs = None
    if "logprobs" in added:  # what is longest first: the rest is then soon looked through
        logprobs, body = _without_logprobs(body)
    if "return_token_ids" in added:
        prompt, body = _without_ids(body, _PROMPT_IDS)
        ids, body = _without_ids(body, _IDS)
    response._content = body
    return Cut(prompt, ids, logprobs)


def _without_ids(body: bytes, name: bytes) -> tuple[bytes | None, bytes]:
    """The flat list of a key, and the body without it."""
    start = body.find(name) + len(name)
    end = body.find(b"]", start) + 1
    ids = body[start:end]
    # One id at least, and the only list of that name.
    flat = len(ids) > 2 and ids.rfind(b"[") == 0 and b'"' not in ids and b"{" not in ids
    if not flat or start < len(name) or body.find(name, end) > 0:
        return None, body
    return ids, body[:start] + b"null" + body[end:]


def _without_logprobs(body: bytes) -> tuple[bytes | None, bytes]:
    """The logprobs of the only choice, with no alternatives, and the body without them."""
    key, last = body.find(_LOGPROBS), body.rfind(_LAST)
    start, end = key + len(_LOGPROBS), last + len(_LAST)
    if not 0 <= key < last or not body.startswith(_OPENED, start) or body.rfind(_LOGPROBS) != key:
        return None, body
    for closed in _CLOSED:
        if body.startswith(closed, end):
            end += len(closed)
            break
    else:
        return None, body
    if end - start > _LONG:
        return None, body
    return body[start:end], body[:start] + b"null" + body[end:]


def quicken(response: Any) -> None:
    """Have a reply that was read whole parsed by jiter, which the client brings, where it does: a third of the time."""
    body, parse = getattr(response, "_content", None), _jiter()
    if parse is not None and isinstance(body, bytes):
        response.json = partial(_loads, parse, body)


def _loads(parse: Callable[[bytes], Any], body: bytes, **options: Any) -> Any:
    if not options:
        with suppress(ValueError):  # of what it does not take, such as half a surrogate pair
            return parse(body)
    return json.loads(body, **options)


@cache
def _jiter() -> Callable[[bytes], Any] | None:
    try:
        return partial(importlib.import_module("jiter").from_json, cache_mode="none")
    except (ImportError, AttributeError):
        return None

"""The bodies of replies that our asking for token ids has made long: read by the client in less time.

The ids of the prompt, which are most of a long conversation's, are cut out before the client parses the rest. As text
they wait until the span is read, on another thread than the agent's.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from typing import Any

_KEY = b'"prompt_token_ids"'


def cut(response: Any) -> str | None:
    """The ids in a reply that was read whole, as JSON text; the reply then says null in their place.

    None, and nothing is cut, where there are none, or they are no flat list.
    """
    body = getattr(response, "_content", None)
    if not isinstance(body, bytes):
        return None
    key = body.find(_KEY)
    start = body.find(b"[", key)
    # Within a string its quotes would be escaped: where it stands like this, it is a key.
    if key < 0 or start < 0 or body[key + len(_KEY) : start].strip() != b":":
        return None
    end = body.find(b"]", start) + 1
    ids = body[start:end]
    if not ids.strip(b"[]") or b"[" in ids[1:] or b'"' in ids or b"{" in ids:
        return None
    response._content = body[:start] + b"null" + body[end:]
    return ids.decode("latin-1")


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

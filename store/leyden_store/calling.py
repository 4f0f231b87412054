"""Calls to other servers, the collector or one that serves a policy: an answer, or why there is none."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from leyden_store.errors import CallRefused, NoAnswer

PATIENCE_S = 60.0

_MOST = 64 << 10
"""Bytes of a refusal that are read."""
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


def call(
    url: str,
    value: Any = None,
    *,
    method: str | None = None,
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
    token: str = "",
    timeout_s: float = PATIENCE_S,
) -> bytes:
    """What a URL answers: to a GET, or, where there is a value, to a POST of it.

    value: bytes as they are, anything else as JSON
    token: opens the server; "" where it asks for none
    timeout_s: how long it may be silent

    Raises CallRefused when the answer is no success, NoAnswer without one.
    """
    body = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    given = {"Content-Type": content_type, **(headers or {})}
    if token:
        given["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, body, given, method=method)  # noqa: S310 - a server the user named
    try:
        with urllib.request.urlopen(request, timeout=timeout_s, context=_trusting(url)) as answer:  # noqa: S310
            found: bytes = answer.read()
            return found
    except urllib.error.HTTPError as error:
        with error:
            raise CallRefused(url, error.code, _said(error.read(_MOST))) from error
    except (OSError, HTTPException) as error:  # the latter where it is cut off in the middle
        raise NoAnswer(url, getattr(error, "reason", error)) from error


def _said(body: bytes) -> str:
    """A refusal's message, in either of the forms our servers give it; else how the body begins."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return " ".join(body[:300].decode(errors="replace").split())


def _trusting(url: str) -> ssl.SSLContext | None:
    """A server on this machine may have made its certificate itself: who it is, the address says."""
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname not in _THIS_MACHINE:
        return None
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context

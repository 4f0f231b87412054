"""Small HTTP requests to servers of ours: the collector, the policy server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from leyden_trainers.errors import ServerLost


def ask(url: str, value: Any = None, *, token: str = "", timeout_s: float = 60.0) -> Any:
    """POST a value as JSON, or GET where there is none; the JSON answered, None where the answer is none.

    Raises ServerLost when nothing answers in time, or not with success.
    """
    body = None if value is None else json.dumps(value).encode()
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - a server the user named
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            text = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            raise ServerLost(f"{url} answered {error.code}: {error.read(300).decode(errors='replace')}") from error
    except OSError as error:
        raise ServerLost(f"nothing answers at {url}: {getattr(error, 'reason', error)}") from error
    try:
        return json.loads(text)
    except ValueError:
        return None

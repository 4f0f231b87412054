"""What training asks the servers that it needs."""

from __future__ import annotations

import json
from typing import Any

from leyden_store.calling import call
from leyden_store.errors import CallFailed
from leyden_trainers.errors import ServerLost


def ask(url: str, value: Any = None, *, timeout_s: float = 60.0) -> Any:
    """POST a value as JSON, or GET where there is none; the JSON answered, None where the answer is none.

    Raises ServerLost when nothing answers in time, or not with success.
    """
    try:
        return json.loads(call(url, value, timeout_s=timeout_s))
    except CallFailed as error:
        raise ServerLost(str(error)) from error
    except ValueError:
        return None

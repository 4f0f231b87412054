"""What we do must never become the program's failure."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

_log = logging.getLogger("leyden_instrumentation")
_faults: list[Exception] = []


def guarded(work: Callable[..., Any], *args: Any, otherwise: Any = None) -> Any:
    """Do it; `otherwise` where it fails, of which the first time is told in one line."""
    try:
        return work(*args)
    except Exception as error:
        if not _faults:
            _faults.append(error)
            _log.warning("leyden: a hook on a client failed (%s: %s); its data is missing", type(error).__name__, error)
        return otherwise

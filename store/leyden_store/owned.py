"""Servers that a command started for itself end with it, however it ends: nobody else would end them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping

_OWNER = "LEYDEN_OWNER"
_LOOK_S = 0.2


def owned(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that is to end with this one."""
    return {**env, _OWNER: str(os.getpid())}


def end_with_owner() -> None:
    """In a process that has an owner: end in order, as by SIGTERM, soon after it is gone. Otherwise nothing."""
    owner = os.environ.pop(_OWNER, "")  # of this process alone, not of those it starts
    if owner.isdecimal():
        threading.Thread(target=_watch, args=(int(owner),), name="leyden-owner", daemon=True).start()


def _watch(owner: int) -> None:
    while os.getppid() == owner:
        time.sleep(_LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)

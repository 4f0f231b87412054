"""Waiting for the queue to change, for requests that may take their time: woken by changes, expiries and the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from leyden_collector.tasks.queue import TaskQueue

T = TypeVar("T")

_LOOK_S = 1.0
"""How long a waiting request sleeps at most, before it looks whether its sender is still there."""


class Waiting:
    """Those who wait on one event loop. Whoever changes the queue says so by `changed`."""

    def __init__(self, queue: TaskQueue) -> None:
        self._queue = queue
        self._event = asyncio.Event()
        self._closed = False

    def changed(self) -> None:
        """Wake all who wait; from the event loop."""
        self._event.set()
        self._event = asyncio.Event()

    def close(self) -> None:
        """Let nobody wait any longer; from any thread."""
        self._closed = True

    async def until(self, look: Callable[[], T], wait_s: float, gone: Callable[[], Awaitable[bool]]) -> T:
        """What `look` finds (it runs in a thread), as soon as it is not empty; what it last found when time is up.

        gone: whether the asker has left, and is given nothing more
        """
        deadline = time.monotonic() + wait_s
        while True:
            event = self._event
            found = await run_in_threadpool(look)
            left = deadline - time.monotonic()
            if found or left <= 0 or self._closed:
                return found
            expiry = await run_in_threadpool(self._queue.next_expiry_s)
            sleep = min(left, _LOOK_S, _LOOK_S if expiry is None else expiry + 0.01)
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), sleep)
            if await gone():
                return found

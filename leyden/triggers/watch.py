"""Triggers beside a running collector: a thread that looks at them every while, over the collector's own store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from leyden.triggers.tick import tick
from leyden_store.errors import LeydenError
from leyden_store.lightning import LightningStore

log = logging.getLogger(__name__)


@contextmanager
def watching(store: LightningStore, dsn: str | None, every_s: float) -> Iterator[None]:
    """Look at the triggers until the block ends; training under way is ended then, and recorded as failed.

    dsn: where a training process finds the store (None: where this one does); it goes through this collector's
         gateway to an embedded one
    """
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(every_s):
            try:
                for looked in tick(lambda: nullcontext(store), dsn, stop=stop):
                    if looked.firing is not None:
                        log.info("trigger %s: %s", looked.trigger, looked.why)
            except LeydenError as error:
                log.warning("the triggers could not be looked at: %s", error)

    thread = threading.Thread(target=look, name="triggers")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()

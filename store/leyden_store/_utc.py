"""The embedded engine's clock."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_starting = threading.Lock()


@contextmanager
def engine_in_utc() -> Iterator[None]:
    """chDB that is imported and started in this block keeps its days and hours in UTC, wherever its process is.

    They are in the keys of the tables: read in another zone than they were written in, rows would not be found.
    """
    with _starting:
        here = os.environ.get("TZ")
        os.environ["TZ"] = "UTC"
        try:
            yield
        finally:
            if here is None:
                del os.environ["TZ"]
            else:
                os.environ["TZ"] = here
            time.tzset()

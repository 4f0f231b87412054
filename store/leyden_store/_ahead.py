"""Asking ahead: what the store is asked for next is fetched, on another core, while what came before is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import pyarrow as pa

Question = TypeVar("Question")
Answer = TypeVar("Answer")


def asked_ahead(ask: Callable[[Question], Answer], questions: Iterable[Question], count: int) -> Iterator[Answer]:
    """The answers in the questions' order, `count` of them asked for beyond the one that is worked on."""
    with ThreadPoolExecutor(count, thread_name_prefix="ahead") as pool:
        asked = deque[Future[Answer]]()
        for question in questions:
            asked.append(pool.submit(ask, question))
            if len(asked) == count:
                # For its first array pyarrow imports pandas, where it is installed: 0.3 s, for which there is time now.
                pa.array([], pa.null())
            if len(asked) > count:
                yield asked.popleft().result()
        while asked:
            yield asked.popleft().result()

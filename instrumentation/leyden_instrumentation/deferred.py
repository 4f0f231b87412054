"""Attributes that are made when somebody first reads them: where spans are exported, off the agent's thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.attributes import BoundedAttributes

from leyden_instrumentation.guarding import guarded

Maker = Callable[[], Mapping[str, Any]]
"""Makes attributes of what it holds, the same ones whenever and however often it is called."""


class Deferred(BoundedAttributes):
    """The attributes of a span that has ended, and over them those that `make` will make."""

    def __init__(self, have: BoundedAttributes, make: Maker) -> None:
        vars(self).update(vars(have))
        # All that reads attributes looks at `_dict`: as it is missing, the first look makes it.
        self._have: dict[str, Any] = vars(self).pop("_dict")
        self._make: Maker | None = make

    def __getattr__(self, name: str) -> Any:
        if name != "_dict":
            raise AttributeError(name)
        make = self._make
        if make is not None:
            # Two threads that read at once make the same twice. What was made lets go of what it was made of.
            self._dict = {**self._have, **self._cleaned(guarded(make, otherwise={}))}
            self._make = None
        return vars(self)["_dict"]

    def __bool__(self) -> bool:
        # The SDK asks this of every span that ends, and would count them.
        return True

    def _cleaned(self, made: Mapping[str, Any]) -> Mapping[str, Any]:
        # What is ours needs cleaning, which looks at each logprob by itself, only where lengths are limited.
        return made if self.max_value_len is None else BoundedAttributes(None, made, max_value_len=self.max_value_len)

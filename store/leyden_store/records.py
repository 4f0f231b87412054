"""Dataclasses that are made by the million: frozen to the type checker, while making one costs a third as much.

A frozen dataclass sets each field by a call of its own, which took a tenth of all reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:
    from dataclasses import dataclass

    def record(*, frozen: bool, slots: bool):
        """`dataclass`, whose `frozen` is left to the type checker; nothing may be set, and nothing is hashed."""
        assert frozen
        return dataclass(slots=slots)


__all__ = ["record"]

"""What `leyden doctor` finds: one line each, with the exact fix where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    level: `fault` loses spans, content or the way to the collector; `warn` is worth knowing, and may be meant
    fix:   a command or variable to copy; None where nothing is to be done
    """

    level: Level
    subject: str
    says: str
    fix: str | None = None

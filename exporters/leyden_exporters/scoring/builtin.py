"""The reward functions that come with Leyden, by the name `leyden score --reward` takes."""

from __future__ import annotations

from collections.abc import Callable

from leyden_exporters.scoring.judge import Judge
from leyden_exporters.scoring.matching import Exact, JsonMatch, Number, Regex
from leyden_exporters.scoring.plugin import RewardFunction
from leyden_exporters.scoring.programs import Tests

BUILTIN: dict[str, Callable[[dict[str, str]], RewardFunction]] = {
    "exact": Exact.from_settings,
    "regex": Regex.from_settings,
    "json": JsonMatch.from_settings,
    "number": Number.from_settings,
    "tests": Tests.from_settings,
    "judge": Judge.from_settings,
}

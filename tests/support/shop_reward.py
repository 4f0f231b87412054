"""The demo's reward as a reward function, for trainers that judge rollouts as they read them."""

from __future__ import annotations

import re

from leyden_exporters.scoring import Case


def right_number(case: Case) -> float:
    """1 when the last reply names the reference and no other number."""
    return float(re.findall(r"\d+", case.answer) == [str(case.reference)])

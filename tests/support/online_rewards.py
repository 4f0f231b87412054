"""Reward functions for runs of online training, named as `tests.support.online_rewards:…`."""

from __future__ import annotations

import random

from leyden_exporters.scoring import Case


def chance(case: Case) -> float:
    """As often 1 as an untrained policy earns it, whatever the rollout did: a control from which nothing is learned."""
    return float(random.Random(case.rollout.rollout_id).random() < 0.25)

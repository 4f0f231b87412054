"""What a trigger's condition may speak of. Apart from the triggers, so that saying it needs no ClickHouse client."""

from __future__ import annotations

from collections.abc import Mapping

FACTS: Mapping[str, str] = {
    "rollouts": "rollouts the query selects now",
    "new_rollouts": "of these, the ones that were not selected when the trigger last trained",
    "llm_spans": "their LLM calls",
    "rewarded": "the rollouts that have a reward",
    "new_rewarded": "of the new ones, those that have a reward",
    "mean_reward": "the mean of these rewards; 0 when there are none",
    "hours_since_run": "hours since the trigger last trained; a very large number when it never has",
}
"""What a condition may speak of."""

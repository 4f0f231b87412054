"""The reward: the agent's last query and the reference are both run, and their rows compared.

1 for the right rows, 0.1 for others, 0 where there is no query that SQLite understands.
"""

from __future__ import annotations

import json
import os
import sqlite3
from typing import Any

from examples.sql_agent.agent import query


def same_rows(case: Any) -> float:
    """The score of a rollout (`leyden_exporters.scoring.Case`), whose `reference` is a query."""
    shop = os.environ["SHOP"]
    calls = [call for turn in case.rollout.turns for call in (turn.response or {}).get("tool_calls") or []]
    try:
        rows = query(json.loads(calls[-1]["function"]["arguments"])["sql"], shop)
    except (sqlite3.Error, ValueError, LookupError, TypeError):
        return 0.0
    return 1.0 if rows == query(case.reference, shop) else 0.1

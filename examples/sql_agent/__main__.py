"""python -m examples.sql_agent FOLDER: makes the shop, its questions (train.jsonl, heldout.jsonl) and the policy."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from examples.sql_agent import policy, shop

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
database = shop.make(folder / "shop.db")
asked = shop.questions()
random.Random(0).shuffle(asked)
shop.write_tasks(folder / "heldout.jsonl", asked[::4])
shop.write_tasks(folder / "train.jsonl", [one for i, one in enumerate(asked) if i % 4])
policy.make(folder / "policy", database)
print(f"made {folder}/shop.db, train.jsonl, heldout.jsonl and policy/; export SHOP={database}")

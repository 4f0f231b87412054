"""The training view: a rollout's trajectories token by token, as a trainer gets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from leyden_exporters.build import trajectory_table
from leyden_exporters.explain import explain
from leyden_exporters.options import Options
from leyden_exporters.report import SpanRow
from leyden_store.turns import Rollout

DecodeOne = Callable[[int], str]
"""One token id → its text."""

BLOCK = 400
"""Tokens in a block: a browser lays out only the blocks in sight."""

SHADES = 6
"""Steps between a token that was certain and one that was not."""

_LEAST_LOGP = -5.0


@dataclass(frozen=True, slots=True)
class Token:
    """shade: 0 where the policy was certain, up to SHADES - 1 where the token surprised it; None without a logprob"""

    place: int
    token_id: int
    text: str
    trained: bool
    turn: int
    logprob: float | None
    advantage: float | None
    shade: int | None


@dataclass(frozen=True, slots=True)
class Chain:
    """One trajectory. began: how, in words; spans: the turns' span ids, by `Token.turn`."""

    branch: int
    began: str
    truncated: bool
    tokens: Sequence[Token]
    trained: int
    spans: Sequence[str]

    def blocks(self) -> Iterator[Sequence[Token]]:
        """The tokens, BLOCK at a time."""
        tokens = iter(self.tokens)
        while block := tuple(islice(tokens, BLOCK)):
            yield block


@dataclass(frozen=True, slots=True)
class TrainingView:
    """What training sees of a rollout. fates: what became of each LLM span, kept or dropped, and why."""

    chains: Sequence[Chain]
    fates: Sequence[SpanRow]
    reward: float | None
    reward_source: str


def training_view(
    rollout: Rollout, group: Sequence[Rollout], options: Options, decode: DecodeOne = str
) -> TrainingView:
    """group: the rollout and the others of its task, which its advantage is measured against."""
    told = explain(rollout, options)
    others = [one for one in group if one.rollout_id != rollout.rollout_id]
    table, _ = trajectory_table([rollout, *others], options)
    rows = [row for row in table.to_pylist() if row["rollout_id"] == rollout.rollout_id]
    chains = []
    for row, explained in zip(rows, told.rows, strict=True):
        tokens = tuple(_tokens(row, decode))
        trained = sum(token.trained for token in tokens)
        chains.append(Chain(row["branch"], explained.began, row["truncated"], tokens, trained, row["span_ids"]))
    return TrainingView(chains, told.spans, told.reward, str(told.reward_source))


def _tokens(row: dict[str, object], decode: DecodeOne) -> Iterator[Token]:
    def column(name: str) -> list[float] | None:
        value = row[name]
        return value if isinstance(value, list) else None

    ids, mask, turns = (column(name) or [] for name in ("input_ids", "loss_mask", "turn_ids"))
    logps, advantages = column("old_logps"), column("advantages")
    for place, token_id in enumerate(ids):
        trained = bool(mask[place])
        logp = logps[place] if trained and logps is not None else None
        yield Token(
            place=place,
            token_id=int(token_id),
            text=decode(int(token_id)),
            trained=trained,
            turn=int(turns[place]),
            logprob=logp,
            advantage=advantages[place] if trained and advantages is not None else None,
            shade=None if logp is None else int(np.clip(logp / _LEAST_LOGP, 0, 0.999) * SHADES),
        )

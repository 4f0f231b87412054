"""The trajectory columns: one Arrow schema for the `trajectories` export and for every trainer."""

from __future__ import annotations

import pyarrow as pa

from leyden_exporters.options import Options

SCHEMA = pa.schema(
    [
        pa.field("rollout_id", pa.string(), nullable=False),
        pa.field("group_id", pa.string(), nullable=False),
        pa.field("branch", pa.int32(), nullable=False),
        pa.field("span_ids", pa.list_(pa.string()), nullable=False),
        pa.field("input_ids", pa.list_(pa.int32()), nullable=False),
        pa.field("loss_mask", pa.list_(pa.uint8()), nullable=False),
        pa.field("old_logps", pa.list_(pa.float32())),
        pa.field("turn_ids", pa.list_(pa.int32()), nullable=False),
        pa.field("reward", pa.float64()),
        pa.field("advantages", pa.list_(pa.float32())),
        pa.field("truncated", pa.bool_(), nullable=False),
        pa.field("policy_version", pa.string()),
        pa.field("ids_source", pa.string(), nullable=False),
    ]
)
"""One row per trajectory; T is its length in tokens.

rollout_id, group_id: the rollout, and the task it attempts ("" where the rollout names none)
branch:       the trajectory's place among its rollout's, from 0, by the start of its first trained turn
span_ids:     the spans whose responses are trained in this row, in order
input_ids:    [T] every token the last turn's server saw and sampled
loss_mask:    [T] 1 on tokens to train: sampled by the policy in a turn of `span_ids`; else 0. Never 1 at index 0
old_logps:    [T] natural-log probability at sampling, 0 where the mask is 0. Null as a whole when a trained turn has
              none: a trainer that forms ratios must refuse such rows (or ask for `require_logprobs`)
turn_ids:     [T] index into `span_ids` of the turn that sampled the token, -1 where the mask is 0
reward:       the rollout's reward, the same on all its rows; null without one
advantages:   [T] the rollout's advantage on every token with mask 1, 0 elsewhere; null as a whole when `reward` is.
              It is the same number on all tokens and rows of a rollout and is NOT divided by their count: for a loss
              in which a rollout of k turns weighs as much as one of a single turn, use `build.token_weights`.
              With `Options.per_turn` each turn has its own; null as a whole when no turn of the rollout is valued
truncated:    a response ran into its token limit, or the row was cut to `max_tokens`
policy_version: which weights sampled the row; where turns differ, all of them joined by ",", "?" for an unnamed one;
              null when no turn names any
ids_source:   "server", or "retokenised" when any turn's ids were made afterwards: RL must refuse these
"""

AGENT_SCHEMA = SCHEMA.append(pa.field("agent", pa.string()))
"""`SCHEMA` and a last column, written only with `Options.per_agent`.

agent: whose turns the row trains; null for turns of no named agent
"""


def schema_for(options: Options) -> pa.Schema:
    """The columns these options ask for."""
    return AGENT_SCHEMA if options.per_agent else SCHEMA

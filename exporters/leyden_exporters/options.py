"""What a caller may ask of an export: which turns, which reward, which advantage, how long a row may be.

One frozen value, read by every step of the way from rollouts to rows, so that a snapshot can record it whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from leyden_exporters.errors import OptionsInvalid
from leyden_store.turns import Turn

Retokenise = Callable[[Turn], tuple[Sequence[int], Sequence[int]] | None]
"""turn → (prompt ids, response ids) by some tokenizer and chat template, or None where it cannot."""


class Advantage(StrEnum):
    """How a rollout's reward becomes its advantage. A group is the rollouts that share a `group_id`.

    Every rollout with a reward counts once in its group, however many turns or trajectories it has.
    """

    GRPO = "grpo"
    """(reward − group mean) / (group standard deviation + 1e-4), deviation over n−1, as TRL computes it."""
    DR_GRPO = "dr_grpo"
    """reward − group mean (https://arxiv.org/abs/2503.20783: no division, so easy and hard tasks weigh alike)."""
    RLOO = "rloo"
    """reward − mean of the others of its group (https://arxiv.org/abs/2402.14740)."""
    REINFORCE = "reinforce"
    """reward − mean over all rollouts of the export: a baseline that needs no groups."""
    REWARD = "reward"
    """the reward itself, no baseline."""


class Overlong(StrEnum):
    """What happens to a trajectory longer than `max_tokens`."""

    CUT = "cut"
    """Its first `max_tokens` tokens stay; ids, mask, logprobs and turn ids are cut alike, and `truncated` is set."""
    TURNS = "turns"
    """Like CUT, but at the end of the last turn that fits whole: no response is trained in part."""
    DROP = "drop"
    """The whole trajectory is dropped."""


class RewardFrom(StrEnum):
    """Where a rollout's reward is looked for. No policy ever invents one: without a reward it is None, not 0."""

    AUTO = "auto"
    """The rollout's own reward, else that of its last rewarded turn. The report counts which."""
    ROLLOUT = "rollout"
    """Only a reward reported on the rollout."""
    LAST_TURN = "last_turn"
    """The reward of the last turn that has one."""
    TURNS_SUM = "turns_sum"
    """The sum over the turns that have one."""
    TURNS_MEAN = "turns_mean"
    """The mean over the turns that have one."""


class PerTurn(StrEnum):
    """What a turn is worth by itself, where a rollout's turns do not share one advantage."""

    PROCESS = "process"
    """Its own reward. In a rollout where some turns have one, a turn without is dropped (`no_reward`)."""
    RETURNS = "returns"
    """Its discounted return to go: its own and later rewards, each `gamma` less per turn of distance."""
    GAE = "gae"
    """Its generalised advantage estimate from value estimates given on the turns (https://arxiv.org/abs/1506.02438)."""


class Credit(StrEnum):
    """Which turn a reward on the rollout is credited to. A turn's own, explicitly linked reward always comes first."""

    LINKED = "linked"
    """None: only rewards that name their turn count."""
    LAST_TURN = "last_turn"
    """The last turn."""
    ROLLOUT_WIDE = "rollout_wide"
    """Every turn that has none of its own."""
    FIRST_OCCURRENCE = "first_occurrence"
    """Each reward in the order of time to the latest turn that ended before it and has none yet."""
    SIBLINGS = "siblings"
    """Each reward in the order of time to the latest turn that hangs under the same span as it, ended before it and
    has none yet."""
    TIME_NEAREST = "time_nearest"
    """Each reward in the order of time to the turn whose end is nearest and that has none yet."""


TIMED = frozenset({Credit.FIRST_OCCURRENCE, Credit.SIBLINGS, Credit.TIME_NEAREST})
"""Policies that place each reward by itself, by when it was given."""


@dataclass(frozen=True, slots=True)
class Options:
    """Which turns become training data, and how.

    reward:          name of the reward; None prefers the one called `reward`, else the only one there is
    reward_weights:  name → weight; when given, the reward is the weighted sum and every named one must be present
    reward_from:     where a rollout's reward is looked for
    advantage:       how rewards become advantages
    per_turn:        give each turn an advantage of its own, from its reward, return or GAE; None gives the rollout's
                     to all. `advantage` then sets the baseline, a rollout counting once; GAE brings its own
    credit:          which turn the rollout's own rewards are credited to, for `per_turn`
    gamma:           discount per turn, for returns and GAE
    gae_lambda:      GAE's lambda
    values:          the name under which GAE finds a turn's value estimate among its scores; never taken for a reward.
                     Under this name and `_after` it finds what the state after the last turn was worth, for rollouts
                     that were cut off rather than over; else that is 0
    require_logprobs: drop turns without logprobs (`no_logprobs`). Otherwise they are kept, and a trajectory holding
                     one has `old_logps` null as a whole: a trainer that needs them can see that and refuse
    require_reward:  drop the turns of rollouts without a reward (`no_reward`)
    min_reward:      drop the turns of rollouts whose reward is lower (`low_reward`) or absent (`no_reward`): what
                     supervised training on the best rollouts asks for
    drop_truncated:  drop turns that ran into the token limit (`truncated`). Kept otherwise: what the policy sampled
                     is on-policy data whether or not it finished, and the trajectory's `truncated` is set
    keep_dropped_attributes: keep turns whose span lost attributes to the SDK's limit; their messages may have holes
    agents:          keep only turns of these agents (`agent`); None keeps all
    agent_pattern:   keep only turns of agents in whose name this regular expression is found (`agent`)
    depths:          keep only turns that stand this deep in agents (`depth`): 1 in the outermost, 0 in none
    tools:           keep only turns that call one of these tools (`tool`); None keeps all
    reply_pattern:   keep only turns in whose reply, what it says or calls, this regular expression is found (`reply`)
    last_attempt:    where one rollout id was tried several times, keep only the turns of the last (`superseded`).
                     Retries with ids of their own are rollouts like any other: each counts once in its group
    per_agent:       no trajectory crosses agents, and each row names its agent in a further column, `agent`
    policy_versions: keep only turns sampled by these weights (`stale`); None keeps all
    max_staleness:   keep only turns whose policy version is at most this much older than `newest_version` (`stale`);
                     one that is no integer is stale too
    newest_version:  the newest policy version of the selection, which one pass over it cannot know beforehand
    max_tokens:      longest trajectory in tokens; None is no limit
    overlong:        what happens to longer ones
    train_shared:    train a response in every branch that holds it, instead of once, in the first
    selection:       the query that chose the rollouts, in words, for the dataset card
    retokenise:      gives ids to turns the server gave none for; they are marked `ids_source="retokenised"`
    """

    reward: str | None = None
    reward_weights: Mapping[str, float] = field(default_factory=dict)
    reward_from: RewardFrom = RewardFrom.AUTO
    advantage: Advantage = Advantage.GRPO
    per_turn: PerTurn | None = None
    credit: Credit = Credit.LAST_TURN
    gamma: float = 1.0
    gae_lambda: float = 0.95
    values: str = "value"
    require_logprobs: bool = False
    require_reward: bool = False
    min_reward: float | None = None
    drop_truncated: bool = False
    keep_dropped_attributes: bool = False
    agents: frozenset[str] | None = None
    agent_pattern: str | None = None
    depths: frozenset[int] | None = None
    tools: frozenset[str] | None = None
    reply_pattern: str | None = None
    last_attempt: bool = False
    per_agent: bool = False
    policy_versions: frozenset[str] | None = None
    max_staleness: int | None = None
    newest_version: int | None = None
    max_tokens: int | None = None
    overlong: Overlong = Overlong.CUT
    train_shared: bool = False
    selection: str = ""
    retokenise: Retokenise | None = None

    @property
    def wants_all(self) -> bool:
        """Whether no usable turn would be left out, whatever it is and whatever it earned."""
        demands = (
            self.agents,
            self.agent_pattern,
            self.depths,
            self.tools,
            self.reply_pattern,
            self.policy_versions,
            self.max_staleness,
            self.min_reward,
            self.per_turn,
        )
        flags = (self.require_reward, self.require_logprobs, self.drop_truncated, self.last_attempt, self.per_agent)
        return all(demand is None for demand in demands) and not any(flags)

    @property
    def reads_words(self) -> bool:
        """Whether choosing turns takes what was said in them, not only tokens, places and rewards."""
        return self.tools is not None or self.reply_pattern is not None

    def __post_init__(self) -> None:
        """Raises OptionsInvalid."""
        if self.max_tokens is not None and self.max_tokens < 1:
            raise OptionsInvalid(f"max_tokens must be at least 1, not {self.max_tokens}")
        if self.reward is not None and self.reward_weights:
            raise OptionsInvalid("give either reward or reward_weights, not both")
        if self.max_staleness is not None and (self.max_staleness < 0 or self.newest_version is None):
            raise OptionsInvalid(
                "max_staleness is 0 or more, and needs turns selected whose policy version is an integer"
            )
        if not (0 <= self.gamma <= 1 and 0 <= self.gae_lambda <= 1):
            raise OptionsInvalid("gamma and gae_lambda lie between 0 and 1")
        if self.reward_weights and self.per_turn and self.credit in TIMED:
            raise OptionsInvalid(f"{self.credit} credits one reward by its time: give reward, not reward_weights")
        for pattern in filter(None, (self.agent_pattern, self.reply_pattern)):
            try:
                re.compile(pattern)
            except re.error as error:
                raise OptionsInvalid(f"{pattern!r} is no regular expression: {error}") from error

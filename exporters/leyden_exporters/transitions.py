"""Transitions: one turn as training sees it, and the reason for every LLM span that is none.

Pure: nothing here knows ClickHouse, torch or a dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leyden_exporters.choosing import superseded, unwanted
from leyden_exporters.options import Options
from leyden_exporters.report import Reason, SpanRow
from leyden_exporters.rewards import rollout_reward
from leyden_exporters.turn_rewards import turn_values
from leyden_store.turns import Dropped, Rollout, Turn

Ids = npt.NDArray[np.int32]

Sampled = tuple[Ids, npt.NDArray[np.float64] | None]
"""Response ids and their logprobs."""

CUT_SHORT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
"""Finish reasons that say the response ran into its token limit, in any provider's words."""

_MAX_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Transition:
    """One turn as training sees it.

    prompt_ids:   int32 [P], P ≥ 1, the tokens the server saw
    response_ids: int32 [R], R ≥ 1, the tokens the policy sampled, end-of-turn included
    logprobs:     float64 [R] in nats under the sampling policy, or None when not captured
    temperature:  as requested, None when the request did not say
    rewards:      this turn's own, by name
    choice:       0, or which further choice of the same call this is (n > 1); they share prompt and span
    ids_source:   "server", or "retokenised" when the ids were made afterwards from the messages
    """

    rollout_id: str
    group_id: str
    attempt: int | None
    trace_id: str
    span_id: str
    agent: str | None
    turn_index: int
    start_ns: int
    prompt_ids: Ids
    response_ids: Ids
    logprobs: npt.NDArray[np.float64] | None
    finish_reason: str | None
    policy_version: str | None
    temperature: float | None
    rewards: Mapping[str, float]
    ids_source: str
    choice: int = 0

    @property
    def truncated(self) -> bool:
        """Whether the response ran into its token limit."""
        return self.finish_reason in CUT_SHORT


def from_rollout(rollout: Rollout, options: Options) -> tuple[list[Transition], list[SpanRow]]:
    """The rollout's transitions in the order of its turns, and a row for every LLM span that became none.

    A call with n > 1 gives one transition for each choice whose token ids were captured. So the spans of the
    transitions and those of the rows are together every LLM span, once.
    """
    turns, rows = select(rollout, options)
    transitions = []
    for turn in turns:
        made = _transition(turn, rollout, options)
        if isinstance(made, Transition):
            transitions += [made, *_further(turn, made, options)]
        else:
            rows.append(drop(turn, *made))
    return transitions, rows


def select(rollout: Rollout, options: Options) -> tuple[list[Turn], list[SpanRow]]:
    """The turns that the options want, whatever they were captured with, and a row for every other LLM span."""
    kept: list[Turn] = []
    rows = [unread(span) for span in rollout.dropped]
    seen: set[tuple[str, str]] = set()
    unworthy = _unworthy(rollout, options)
    retried = superseded(rollout, options)
    unpaid = _unpaid(rollout, options)
    for turn in rollout.turns:
        if (turn.trace_id, turn.span_id) in seen:
            rows.append(drop(turn, Reason.DUPLICATE))
            continue
        seen.add((turn.trace_id, turn.span_id))
        refused = retried(turn) or _refused(turn, options) or unworthy or unpaid(turn)
        if refused is None:
            kept.append(turn)
        else:
            rows.append(drop(turn, *refused))
    return kept, rows


def drop(span: Turn | Dropped | Transition, reason: Reason, detail: str = "") -> SpanRow:
    """The row of a span that is left out."""
    return SpanRow(span.rollout_id, span.trace_id, span.span_id, reason, detail)


def unread(span: Dropped) -> SpanRow:
    """The row of a span that the store gave no turn for: its reason, then what it says about it."""
    return drop(span, Reason.UNREAD, f"{span.reason}: {span.detail}" if span.detail else str(span.reason))


def _refused(turn: Turn, options: Options) -> tuple[Reason, str] | None:
    refused = unwanted(turn, options)
    if refused is not None:
        return refused
    if turn.status == "error" or turn.error:
        return Reason.FAILED, turn.error or ""
    if turn.dropped_attributes and not options.keep_dropped_attributes:
        return Reason.DROPPED_ATTRIBUTES, str(turn.dropped_attributes)
    if options.drop_truncated and turn.finish_reason in CUT_SHORT:
        return Reason.TRUNCATED, turn.finish_reason or ""
    return None


def unsaid(turn: Turn) -> Reason | None:
    """Why the turn cannot be told in messages; None when it can."""
    if not turn.messages or turn.response is None:
        return Reason.NO_MESSAGES
    told = turn.response.get
    said = told("content") or told("tool_calls") or told("refusal") or told("reasoning_content")
    return None if said else Reason.EMPTY


def _unworthy(rollout: Rollout, options: Options) -> tuple[Reason, str] | None:
    if not options.require_reward and options.min_reward is None:
        return None
    reward, source = rollout_reward(rollout, options)
    if reward is None:
        return Reason.NO_REWARD, str(source)
    if options.min_reward is not None and reward < options.min_reward:
        return Reason.LOW_REWARD, str(reward)
    return None


def _unpaid(rollout: Rollout, options: Options) -> Callable[[Turn], tuple[Reason, str] | None]:
    """Tells of each turn whether it lacks the reward that valuing turns by themselves needs."""
    worth = turn_values(rollout, options).values if options.per_turn is not None else {}

    def refusal(turn: Turn) -> tuple[Reason, str] | None:
        if options.per_turn is None or (turn.trace_id, turn.span_id) in worth:
            return None
        if worth:
            return Reason.NO_REWARD, "the turn has none of its own"
        return (Reason.NO_REWARD, "no turn of the rollout can be valued") if options.require_reward else None

    return refusal


def _transition(turn: Turn, rollout: Rollout, options: Options) -> Transition | tuple[Reason, str]:
    prompt, response, logprobs = turn.prompt_token_ids, turn.response_token_ids, turn.response_logprobs
    source = "server"
    if (prompt is None or response is None) and options.retokenise is not None:
        made = options.retokenise(turn)
        if made is not None:
            (prompt, response), logprobs, source = made, None, "retokenised"
    if prompt is None or response is None:
        return Reason.NO_TOKEN_IDS, ""
    if len(response) == 0:
        return Reason.EMPTY, ""
    if len(prompt) == 0:
        return Reason.EMPTY_PROMPT, ""
    prompt_ids = _ids(prompt)
    if prompt_ids is None:
        return Reason.BAD_IDS, "in the prompt"
    sampled = _sampled(response, logprobs, options)
    if isinstance(sampled[0], Reason):
        return sampled
    response_ids, logps = sampled
    return Transition(
        rollout_id=rollout.rollout_id,
        group_id=rollout.group_id,
        attempt=rollout.attempt,
        trace_id=turn.trace_id,
        span_id=turn.span_id,
        agent=turn.agent,
        turn_index=turn.turn_index,
        start_ns=turn.start_ns,
        prompt_ids=prompt_ids,
        response_ids=response_ids,
        logprobs=logps,
        finish_reason=turn.finish_reason,
        policy_version=turn.policy_version,
        temperature=_number(turn.params.get("temperature")),
        rewards=turn.rewards,
        ids_source=source,
    )


def _further(turn: Turn, first: Transition, options: Options) -> list[Transition]:
    """Transitions of the choices after the first, where the capture has their tokens."""
    made = []
    for number, choice in enumerate(turn.choices, start=1):
        ids = choice.get("response_token_ids")
        if ids is None or len(ids) == 0 or (options.drop_truncated and choice.get("finish_reason") in CUT_SHORT):
            continue
        sampled = _sampled(ids, choice.get("response_logprobs"), options)
        if isinstance(sampled[0], Reason):
            continue
        response_ids, logps = sampled
        made.append(
            replace(
                first,
                response_ids=response_ids,
                logprobs=logps,
                finish_reason=choice.get("finish_reason"),
                choice=number,
            )
        )
    return made


def _sampled(ids: Sequence[int], logprobs: Sequence[float] | None, options: Options) -> Sampled | tuple[Reason, str]:
    response_ids = _ids(ids)
    if response_ids is None:
        return Reason.BAD_IDS, "in the response"
    if not _present(logprobs):
        return (Reason.NO_LOGPROBS, "") if options.require_logprobs else (response_ids, None)
    try:
        logps = np.asarray(logprobs, dtype=np.float64)
    except (TypeError, ValueError):
        return Reason.BAD_LOGPROBS, ""
    if logps.shape != response_ids.shape:
        return Reason.BAD_LENGTHS, f"{len(response_ids)} ids, {len(logps)} logprobs"
    if not np.isfinite(logps).all():
        return Reason.BAD_LOGPROBS, ""
    return response_ids, logps


def _present(values: Sequence[Any] | None) -> bool:
    # A column store cannot tell an absent array from an empty one; neither holds anything to train on.
    return values is not None and len(values) > 0


def _ids(values: Sequence[int]) -> Ids | None:
    if isinstance(values, np.ndarray) and values.dtype == np.int32:
        ids: Ids = values
        return ids if ids.min() >= 0 else None
    try:
        wide = np.asarray(values)
    except ValueError:
        return None
    if wide.ndim != 1 or wide.dtype.kind not in "iu" or wide.min() < 0 or wide.max() > _MAX_ID:
        return None
    return wide.astype(np.int32)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

"""Choosing turns by what they are: their agent and how deep it stands, what they say and call, their attempt, the
weights that sampled them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from leyden_exporters.options import Options
from leyden_exporters.report import Reason
from leyden_store.turns import Rollout, Turn

Refusal = tuple[Reason, str]
"""Why a turn is left out, and a detail."""


def unwanted(turn: Turn, options: Options) -> Refusal | None:
    """Why the options did not ask for this turn, whatever its worth; None when they did."""
    agent = turn.agent or ""
    if options.agents is not None and turn.agent not in options.agents:
        return Reason.AGENT, agent
    if options.agent_pattern is not None and not re.search(options.agent_pattern, agent):
        return Reason.AGENT, agent
    if options.depths is not None and turn.depth not in options.depths:
        return Reason.DEPTH, str(turn.depth)
    if options.reply_pattern is not None and not any(re.search(options.reply_pattern, one) for one in _said(turn)):
        return Reason.REPLY, ""
    if options.tools is not None and options.tools.isdisjoint(called := _called(turn)):
        return Reason.TOOL, ", ".join(called)
    if options.policy_versions is not None and turn.policy_version not in options.policy_versions:
        return Reason.STALE, turn.policy_version or ""
    return _stale(turn, options)


def superseded(rollout: Rollout, options: Options) -> Callable[[Turn], Refusal | None]:
    """Tells of each turn of the rollout whether a later attempt took its place.

    A turn that names no attempt belongs to the first, 0.
    """
    last = max((turn.attempt or 0 for turn in rollout.turns), default=0) if options.last_attempt else None

    def refusal(turn: Turn) -> Refusal | None:
        attempt = turn.attempt or 0
        return None if last is None or attempt == last else (Reason.SUPERSEDED, f"attempt {attempt} of {last}")

    return refusal


def newest_of(versions: Iterable[str | None]) -> int | None:
    """The highest of the policy versions that are integers, for `Options.newest_version`; None where none is."""
    return max((number for version in versions if (number := _as_number(version)) is not None), default=None)


def _as_number(text: str | None) -> int | None:
    """A policy version as a number; None where it is none."""
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def _stale(turn: Turn, options: Options) -> Refusal | None:
    if options.max_staleness is None or options.newest_version is None:
        return None
    version = _as_number(turn.policy_version)
    if version is None:
        return Reason.STALE, f"policy version {turn.policy_version or '(none)'} is no integer"
    behind = options.newest_version - version
    return (Reason.STALE, f"{behind} versions behind") if behind > options.max_staleness else None


def _called(turn: Turn) -> list[str]:
    calls = (turn.response or {}).get("tool_calls") or ()
    return [str((call.get("function") or {}).get("name") or "") for call in calls]


def _said(turn: Turn) -> list[str]:
    """What the reply says and calls, as texts."""
    reply = turn.response or {}
    content = reply.get("content")
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    functions = [call.get("function") or {} for call in reply.get("tool_calls") or ()]
    texts += [f"{function.get('name')}({function.get('arguments')})" for function in functions]
    return [text for text in (*texts, reply.get("refusal"), reply.get("reasoning_content")) if isinstance(text, str)]

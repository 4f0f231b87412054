"""Candidates: what curation knows of a rollout, small enough that a hundred thousand fit in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leyden_exporters.conversations import meaning
from leyden_exporters.curation.near import Grams, grams_of, signature_of
from leyden_exporters.options import Options
from leyden_exporters.rewards import rollout_reward
from leyden_store.turns import Message, Rollout


@dataclass(frozen=True, slots=True)
class Candidate:
    """One rollout.

    number:    its place in the order read, from 0
    agents:    of its turns
    chars:     of its messages and replies, each message once
    content:   a hash that rollouts of the same messages and replies share, whatever their ids and times
    signature: MinHash of its words, uint32 [128], where a step asks for it
    overlaps:  whether it shares a run of words with what it was to be kept apart from
    """

    number: int
    rollout_id: str
    group_id: str
    agents: tuple[str, ...]
    reward: float | None
    turns: int
    chars: int
    content: str
    signature: npt.NDArray[np.uint32] | None = None
    overlaps: bool = False

    @property
    def group(self) -> str:
        """Its group; a rollout without one is a group of its own."""
        return self.group_id or f"rollout {self.rollout_id}"


def candidate(number: int, rollout: Rollout, options: Options, *, near: bool, apart_from: Grams | None) -> Candidate:
    """What curation needs to know of a rollout. near: whether signatures are asked for; apart_from: see `Grams`."""
    said = list(_said(rollout))
    text = "\n".join(text_of(message) for message in said) if near or apart_from is not None else ""
    digest = hashlib.sha256(json.dumps([meaning(message) for message in said]).encode()).hexdigest()
    return Candidate(
        number=number,
        rollout_id=rollout.rollout_id,
        group_id=rollout.group_id,
        agents=tuple(sorted({turn.agent for turn in rollout.turns if turn.agent})),
        reward=rollout_reward(rollout, options)[0],
        turns=len(rollout.turns),
        chars=sum(len(text_of(message)) for message in said),
        content=digest,
        signature=signature_of(text) if near else None,
        overlaps=apart_from is not None and bool(grams_of(text, apart_from.words) & apart_from.hashes),
    )


def text_of(message: Message) -> str:
    """A message's text, with the arguments of its tool calls."""
    content = message.get("content")
    parts = [content] if isinstance(content, str) else [str(part.get("text", "")) for part in _parts(content)]
    calls: Sequence[Mapping[str, Any]] = message.get("tool_calls") or ()
    parts += [str((call.get("function") or {}).get("arguments") or "") for call in calls]
    return "\n".join(part for part in parts if part)


def plain_content(message: Message) -> str | None:
    """A message's content as text; None where it holds anything else."""
    content = message.get("content")
    if content is None or isinstance(content, str):
        return content or ""
    if not all(part.get("type") == "text" for part in _parts(content)):
        return None
    return "".join(str(part.get("text", "")) for part in _parts(content))


def _parts(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, Sequence):
        yield from (part for part in content if isinstance(part, Mapping))


def _said(rollout: Rollout) -> Iterator[Message]:
    """Every message and reply once, in the order of their first appearance: histories repeat."""
    seen: set[str] = set()
    for turn in rollout.turns:
        for message in (*turn.messages, *([turn.response] if turn.response else ())):
            key = meaning(message)
            if key not in seen:
                seen.add(key)
                yield message

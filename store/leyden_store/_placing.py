"""Where a span stands: the rollout, group, session, agent and policy it inherits from the spans above it."""

from __future__ import annotations

from dataclasses import replace

from leyden_store.records import record
from leyden_store.spans import Span
from leyden_store.tree import Key, SpanTree


@record(frozen=True, slots=True)
class Place:
    """What holds for a span because of where it stands.

    rollout: "" where nothing above the span names one
    depth:   agents one inside the other, from the root down to the span; an agent named twice in a row is one
    """

    rollout: str
    group: str
    attempt: int | None
    session: str
    agent: str | None
    policy_version: str | None
    depth: int


_NOWHERE = Place("", "", None, "", None, None, 0)


def places(tree: SpanTree) -> dict[Key, Place]:
    """The place of every span: its own words first, then its parent's place.

    Where nothing above a span names a rollout but all who do in its trace agree, theirs holds; else `rollout` is "".
    """
    found: dict[Key, Place] = {}
    named: dict[str, set[str]] = {}
    for _, span in tree.walk():
        parent = tree.parent(span)
        above = _NOWHERE if parent is None else found[parent.trace_id, parent.span_id]
        agent = agent_of(span) or above.agent
        place = found[span.trace_id, span.span_id] = Place(
            rollout=span.rollout_id or above.rollout,
            group=span.group_id or above.group,
            attempt=above.attempt if span.attempt is None else span.attempt,
            # MLflow writes every attribute as JSON text: its strings stand in quotes.
            session=span.session_id.strip('"') or above.session,
            agent=agent,
            policy_version=above.policy_version if span.policy_version is None else span.policy_version,
            depth=above.depth + (agent != above.agent),
        )
        if place.rollout:
            named.setdefault(span.trace_id, set()).add(place.rollout)
    return {key: place if place.rollout else _agreed(key, place, named) for key, place in found.items()}


def _agreed(key: Key, place: Place, named: dict[str, set[str]]) -> Place:
    rollouts = named.get(key[0])
    if rollouts is None or len(rollouts) > 1:
        return place
    return replace(place, rollout=next(iter(rollouts)))


def agent_of(span: Span) -> str | None:
    """The agent a span names: itself one, or working for one."""
    attributes = span.attributes
    name = attributes.get("gen_ai.agent.name") or attributes.get("agent.name")
    if not name:
        if attributes.get("openinference.span.kind") == "AGENT":
            name = attributes.get("graph.node.id") or span.name
        elif attributes.get("langfuse.observation.type") == "agent" or attributes.get("mlflow.spanType") == '"AGENT"':
            name = span.name
        elif attributes.get("agentops.span.kind") == "agent":
            name = attributes.get("operation.name") or span.name
        elif span.name.startswith(("agent run", "invoke_agent")):  # pydantic-ai before it followed the convention
            name = attributes.get("agent_name")
        elif attributes.get("traceloop.span.kind") == "agent":
            name = attributes.get("traceloop.entity.name") or span.name
    return name if isinstance(name, str) and name else None

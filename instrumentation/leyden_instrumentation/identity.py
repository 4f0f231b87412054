"""Which rollout a span belongs to: by `rollout()`, W3C baggage or the process's environment, in that order."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache

from opentelemetry import baggage, context
from opentelemetry.context import Context

from leyden_instrumentation import settings

_KEY = context.create_key("leyden-identity")
_KEYS = ("leyden.project", "leyden.rollout.id", "leyden.group.id", "leyden.attempt", "leyden.policy.version")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """The ids of one rollout; None is stamped on nothing.

    attempt: which try at the group's task, counted by whoever started it
    policy_version: which weights sample in this rollout, where the caller knows
    """

    project: str | None = None
    rollout_id: str | None = None
    group_id: str | None = None
    attempt: int | None = None
    policy_version: str | int | None = None

    def attributes(self) -> dict[str, str | int]:
        """The span attributes these ids become."""
        pairs = (
            ("leyden.project", self.project),
            ("leyden.rollout.id", self.rollout_id),
            ("leyden.group.id", self.group_id),
            ("leyden.attempt", self.attempt),
            ("leyden.policy.version", self.policy_version),
        )
        return {name: value for name, value in pairs if value is not None}

    def over(self, under: Identity) -> Identity:
        """These ids, and `under`'s where these are silent."""
        mine = {f.name: getattr(self, f.name) for f in fields(self)}
        return Identity(**{k: getattr(under, k) if v is None else v for k, v in mine.items()})


def from_environment(env: Mapping[str, str] | None = None) -> Identity:
    """The ids the process was started with."""
    env = os.environ if env is None else env
    return Identity(
        project=env.get(settings.PROJECT) or None,
        rollout_id=env.get(settings.ROLLOUT_ID) or None,
        group_id=env.get(settings.GROUP_ID) or None,
        attempt=_integer(env.get(settings.ATTEMPT)),
        policy_version=env.get(settings.POLICY_VERSION) or None,
    )


def from_context(ctx: Context | None = None) -> Identity:
    """The ids that `rollout()` or a caller's baggage put into the OpenTelemetry context."""
    inside = context.get_value(_KEY, ctx)
    if isinstance(inside, Identity):
        return inside
    entries = baggage.get_all(ctx)
    return _told(*map(entries.get, _KEYS)) if entries else _NOBODY


@lru_cache(256)
def _told(project: object, rollout_id: object, group_id: object, attempt: object, version: object) -> Identity:
    # One for all the spans of a rollout.
    return Identity(_text(project), _text(rollout_id), _text(group_id), _integer(attempt), _text(version))


def put(identity: Identity, ctx: Context | None = None) -> Context:
    """A context in which spans belong to `identity`, here and in whatever is called over HTTP with its baggage."""
    ctx = context.set_value(_KEY, identity, ctx)
    for name in _KEYS:
        ctx = baggage.remove_baggage(name, ctx)
    for name, value in identity.attributes().items():
        ctx = baggage.set_baggage(name, str(value), ctx)
    return ctx


def in_baggage(identity: Identity, ctx: Context | None = None) -> Context:
    """A context whose baggage says what `identity` says and the baggage does not yet: the process's own ids."""
    ctx = context.get_current() if ctx is None else ctx
    for name, value in identity.attributes().items():
        if baggage.get_baggage(name, ctx) is None:
            ctx = baggage.set_baggage(name, str(value), ctx)
    return ctx


def _text(value: object) -> str | None:
    return str(value) if value else None


def _integer(value: object) -> int | None:
    if value is None or value == "":
        return None
    try:
        return int(str(value))
    except ValueError:
        _log.warning("%s=%r is no whole number; spans carry no attempt", settings.ATTEMPT, value)
        return None


_NOBODY = Identity()

"""Filters: the flags a person selects traces by, said as SQL. Every flag given must hold of the same trace.

`--agent` and `--model` may hold of different spans of it: an agent's span names the agent, the calls below the model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from leyden_store.errors import QueryRefused
from leyden_store.guard import quoted

_SPAN = re.compile(r"(\d+)\s*(s|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_REWARD = re.compile(r"\s*([^\s<>=!]*)\s*(<=|>=|!=|==|=|<|>)\s*(-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")

_CALLS = ("chat", "generate_content", "text_completion")
"""Operations that are LLM calls; see `schema/views/traces.sql`."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which traces. Lists mean any of them; "" and () mean no such filter.

    models:  asked for, or answering (`gpt-4o` answers as `gpt-4o-2024-08-06`)
    since, until: `7d`, `12h`, `30m`, … before now, or a date or time as ISO 8601 writes it (UTC without an offset)
    reward:  comparisons: `>0.5` (of the reward called `reward`, else of any), or with a name, `accuracy>=0.9`
    tools:   called by a reply, or run as a tool's span
    where:   a condition over the columns of otel_traces that some span meets
    """

    agents: Sequence[str] = ()
    models: Sequence[str] = ()
    tools: Sequence[str] = ()
    groups: Sequence[str] = ()
    reward: Sequence[str] = ()
    since: str = ""
    until: str = ""
    where: str = ""

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return any((self.agents, self.models, self.tools, self.groups, self.reward, self.since, self.until, self.where))

    def sql(self) -> str:
        """A SELECT of TraceId. Raises QueryRefused for a time or comparison that cannot be read."""
        spans, each = [], []
        if self.since:
            spans.append(f"Timestamp >= {moment(self.since, '--since')}")
        if self.until:
            spans.append(f"Timestamp < {moment(self.until, '--until')}")
        if self.agents:
            each.append(f"AgentName IN ({_texts(self.agents)})")
        if self.models:
            names = _texts(self.models)
            each.append(
                f"(Model IN ({names}) OR SpanAttributes['gen_ai.request.model'] IN ({names})"
                f" OR SpanAttributes['langfuse.observation.model.name'] IN ({names}))"
            )
        if self.groups:
            each.append(f"GroupId IN ({_texts(self.groups)})")
        if self.tools:
            each.append(_has_tool(self.tools))
        if self.where:
            each.append(f"({self.where}\n)")
        if len(each) <= 1:
            spans += each
            each = []
        made = "SELECT DISTINCT TraceId FROM otel_traces" if not each else "SELECT TraceId FROM otel_traces"
        spans += [f"TraceId IN ({_rewarded(one)})" for one in self.reward]
        if spans:
            made += " WHERE " + " AND ".join(spans)
        if each:
            made += " GROUP BY TraceId HAVING " + " AND ".join(f"countIf({one}) > 0" for one in each)
        return made


def is_comparison(text: str) -> bool:
    """Whether `--reward`'s value is a comparison (`>0.5`) rather than a reward's name."""
    return _REWARD.fullmatch(text) is not None


def comparison(text: str, flag: str) -> tuple[str, str, float]:
    """What `--reward` compares: the reward's name ("" any), `=`, `!=`, `<`, … and the number. Raises QueryRefused."""
    found = _REWARD.fullmatch(text)
    if found is None:
        raise QueryRefused(f"{flag} {text!r} is no comparison: write '>0.5' or 'accuracy>=0.9'")
    return found[1], found[2].replace("==", "="), float(found[3])


def time_of(text: str, flag: str) -> datetime:
    """The moment that a time means: `7d`, `12h`, … before now, or ISO 8601 (UTC without an offset).

    Raises QueryRefused.
    """
    ago = _SPAN.fullmatch(text.strip())
    try:
        if ago:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(text.strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise QueryRefused(f"{flag} {text!r} is no time: write 7d, 12h, 30m, or 2026-01-31T08:00") from error


def moment(text: str, flag: str) -> str:
    """A time as SQL; one before now moves on with each run. Raises QueryRefused."""
    at = time_of(text, flag)
    ago = _SPAN.fullmatch(text.strip())
    if ago:
        return f"now() - INTERVAL {int(ago[1])} {_UNITS[ago[2]].removesuffix('s').upper()}"
    return f"toDateTime64('{at:%Y-%m-%d %H:%M:%S.%f}', 6, 'UTC')"


def _has_tool(tools: Sequence[str]) -> str:
    """A span that runs one of the tools, or a reply that calls one: as attributes of their own, or within JSON."""
    names = _texts(tools)
    said = "|".join(re.escape(tool) for tool in tools)
    called = quoted(rf'"name"\s*:\s*"({said})"')
    return (
        f"((Operation = 'execute_tool' AND (SpanAttributes['gen_ai.tool.name'] IN ({names})"
        f" OR SpanAttributes['tool.name'] IN ({names}) OR SpanAttributes['traceloop.entity.name'] IN ({names})"
        f" OR SpanAttributes['ai.toolCall.name'] IN ({names}) OR SpanName IN ({names})))"
        " OR (Operation IN (" + _texts(_CALLS) + ")"
        " AND (mapExists((k, v) -> ((v IN ("
        + names
        + ") AND match(k, '(output|completion|choice).*tool_calls?[.].*name$'))"
        " OR (match(k, 'output|completion|response|toolCalls') AND match(v, " + called + "))),"
        " mapConcat(SpanAttributes, Content))"
        " OR arrayExists((e, a) -> (match(e, 'choice|completion|output|inference') AND"
        " mapExists((k, v) -> match(v, " + called + "), a)), Events.Name, Events.Attributes))))"
    )


def _rewarded(text: str) -> str:
    """Traces of rollouts whose newest reward compares so; a reward of the rollout comes before one of a turn."""
    name, sign, number = comparison(text, "--reward")
    named = f"WHERE Name = {quoted(name)}" if name else ""
    calls = f"SELECT TraceId, SpanId FROM otel_traces WHERE Operation IN ({_texts(_CALLS)})"
    rank = f"(Name = 'reward', ResponseId = '' AND (TraceId, SpanId) NOT IN ({calls}), Timestamp)"
    keys = (
        "SELECT if(RolloutId != '', RolloutId, TraceId) AS rewarded FROM rewards"
        f" {named} GROUP BY rewarded HAVING argMax(Value, {rank}) {sign} {number!r}"
    )
    return (
        "SELECT TraceId FROM traces GROUP BY TraceId"
        f" HAVING (if(max(RolloutId) != '', max(RolloutId), TraceId) IN ({keys}) OR TraceId IN ({keys}))"
    )


def _texts(values: Sequence[str]) -> str:
    return ", ".join(quoted(value) for value in values)

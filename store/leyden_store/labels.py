"""Labels: what people and models say of spans and rollouts afterwards: scores, corrections, comments.

A score is a reward with a source. A correction is the reply as it should have been. Both are read at the next export.
"""

from __future__ import annotations

import getpass
import json
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from leyden_store.connection import Connection
from leyden_store.errors import LeydenError, TraceNotFound
from leyden_store.span_sets import SpanKey
from leyden_store.turns import Message


class LabelInvalid(LeydenError):
    """A label says nothing, or something that cannot be kept."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a label was put on: a rollout, or one span of a trace ("" where it is a rollout)."""

    project: str
    rollout_id: str
    trace_id: str = ""
    span_id: str = ""


class Labels:
    """The labels of a store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, target: str, project: str = "") -> Labelled:
        """What an id means: a rollout, a trace (its rollout), or a span by id or by `TRACE_ID/SPAN_ID`.

        Beginnings of ids will do where they are of one alone. project: what is of another is not there, "" for all.
        Raises TraceNotFound.
        """
        rows = partial(self._rows, project)
        found = rows("RolloutId = {a:String}", target)  # first: a rollout's id may have a slash in it
        trace, slash, span = target.partition("/")
        if slash and not found:
            found = rows(
                "startsWith(TraceId, {a:String}) AND startsWith(SpanId, {b:String})", trace, span, by_span=True
            )
        elif not found:
            found = rows("startsWith(TraceId, {a:String})", target)
            found = found or rows("startsWith(SpanId, {a:String})", target, by_span=True)
        if not found or not target:
            raise TraceNotFound(f"no rollout, trace or span is called {target!r}; list them with: leyden traces")
        if len(found) > 1:
            said = ", ".join(f"{row['trace']}/{row['span']}" if row["span"] else row["rollout"] for row in found[:5])
            raise TraceNotFound(f"several begin with {target!r}: {said}; give more of it")
        row = found[0]
        return Labelled(row["project"], row["rollout"], row["trace"] if row["span"] else "", row["span"])

    def score(
        self,
        target: str,
        value: float,
        *,
        name: str = "reward",
        author: str | None = None,
        label: str = "",
        why: str = "",
        project: str = "",
    ) -> Labelled:
        """Give a score; the newest of an author and name wins. Raises LabelInvalid, TraceNotFound."""
        if not math.isfinite(value):
            raise LabelInvalid("a score is a finite number")
        if not name:
            raise LabelInvalid("a score needs a name")
        at = self.find(target, project)
        row = {
            "Project": at.project,
            "RolloutId": at.rollout_id,
            "TraceId": at.trace_id,
            "SpanId": at.span_id,
            "ResponseId": "",
            "Name": name,
            "Source": f"label:{author or getpass.getuser()}",
            "Value": float(value),
            "Label": label,
            "Explanation": why,
            "Timestamp": datetime.now(UTC),
        }
        self._connection.insert("rewards", [row])
        return at

    def comment(self, target: str, text: str, *, author: str | None = None, project: str = "") -> Labelled:
        """Add a comment. Raises LabelInvalid, TraceNotFound."""
        if not text.strip():
            raise LabelInvalid("a comment says something")
        at = self.find(target, project)
        self._annotate(at, "comment", uuid.uuid4().hex, text, author)
        return at

    def correct(
        self, target: str, reply: str | Mapping[str, Any], *, author: str | None = None, project: str = ""
    ) -> Labelled:
        """Say what a reply should have been: its text, or an assistant message (`content`, `tool_calls`).

        target: a span that is an LLM call. The newest correction of a span wins. Raises LabelInvalid, TraceNotFound.
        """
        message = _message(reply)
        at = self.find(target, project)
        if not at.span_id:
            raise LabelInvalid("a correction is of one reply: give its span id (leyden turns lists them)")
        self._annotate(at, "correction", "", json.dumps(message, ensure_ascii=False), author)
        return at

    def corrections(self) -> dict[SpanKey, Message]:
        """The newest correction of each span."""
        rows = self._connection.rows(
            "SELECT TraceId, SpanId, argMax(Text, Timestamp) AS said FROM annotations WHERE Kind = 'correction'"
            " GROUP BY TraceId, SpanId"
        )
        return {(row["TraceId"], row["SpanId"]): json.loads(row["said"]) for row in rows}

    def all(self, target: str, project: str = "") -> list[dict[str, Any]]:
        """What was said of a target, as `of` gives it. Raises TraceNotFound."""
        return self.of(replace(self.find(target, project), project=project))

    def of(self, at: Labelled) -> list[dict[str, Any]]:
        """What was said of a rollout and its spans, or of a span: kind, author, name, value, text, at; oldest first.

        Its project may be "": whatever project it is of.
        """
        of = "RolloutId = {a:String}" + (" AND TraceId = {b:String} AND SpanId = {c:String}" if at.span_id else "")
        return self._connection.rows(
            "SELECT * FROM (SELECT Kind AS kind, Author AS author, '' AS name,"
            " CAST(NULL, 'Nullable(Float64)') AS value, Text AS text, TraceId AS trace_id, SpanId AS span_id,"
            f" toString(Timestamp) AS at FROM annotations FINAL WHERE {of} AND {{p:String}} IN ('', Project)"
            " UNION ALL SELECT 'score', Source, Name, Value, Explanation, TraceId, SpanId, toString(Timestamp)"
            # A score that was posted says no project of its own.
            f" FROM rewards FINAL WHERE {of} AND ({{p:String}} = '' OR Project IN ({{p:String}}, 'default')))"
            " ORDER BY at",
            {"a": at.rollout_id, "b": at.trace_id, "c": at.span_id, "p": at.project},
        )

    def _rows(self, project: str, where: str, a: str, b: str = "", *, by_span: bool = False) -> list[dict[str, Any]]:
        span = "SpanId" if by_span else "''"
        trace = "TraceId" if by_span else "''"
        return self._connection.rows(
            f"SELECT DISTINCT Project AS project, if(RolloutId != '', RolloutId, TraceId) AS rollout, {trace} AS trace,"
            f" {span} AS span FROM otel_traces WHERE {where} AND {{project:String}} IN ('', Project) LIMIT 6",
            {"a": a, "b": b, "project": project},
        )

    def _annotate(self, at: Labelled, kind: str, key: str, text: str, author: str | None) -> None:
        row = {
            "Project": at.project,
            "RolloutId": at.rollout_id,
            "TraceId": at.trace_id,
            "SpanId": at.span_id,
            "Kind": kind,
            "AnnotationId": key,
            "Author": author or getpass.getuser(),
            "Text": text,
            "Timestamp": datetime.now(UTC),
        }
        self._connection.insert("annotations", [row])


def _message(reply: str | Mapping[str, Any]) -> Message:
    if isinstance(reply, str):
        if not reply.strip():
            raise LabelInvalid("a correction says what the reply should have been")
        return {"role": "assistant", "content": reply}
    if not (reply.get("content") or reply.get("tool_calls")):
        raise LabelInvalid("a correction has content, tool_calls or both")
    for call in reply.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if not (isinstance(function, Mapping) and isinstance(function.get("arguments"), str) and function.get("name")):
            raise LabelInvalid("a tool call has a function with a name and arguments, which are JSON text")
    return {"role": "assistant", **{key: value for key, value in reply.items() if key != "role"}}

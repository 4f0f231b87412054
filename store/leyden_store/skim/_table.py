"""A sketch from the store's own columns: the result of `queries/skim.sql`, an Arrow table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from leyden_store._placing import agent_of
from leyden_store._rewards import rewards_of
from leyden_store.skim._shapes import MARKERS, UNTOLD, Kind, Shape, shape_of
from leyden_store.skim._sketch import Sketch, named_finish
from leyden_store.skim._tokens import Ragged
from leyden_store.spans import AttributeValue, Event, Span
from leyden_store.turns import Reward

_SHAPING = ("Keys", "Markers", "EventNames", "ScopeName", "SpanName")
_AGENT_NAMES = ("gen_ai.agent.name", "agent.name", "graph.node.id", "operation.name", "traceloop.entity.name")
_TOKENS: dict[str, type[np.generic]] = {"PromptIds": np.int32, "ResponseIds": np.int32, "ResponseLogprobs": np.float64}
_OF_REWARDS = ("EventTimes", "EventAttributes", "EventTypes", "Attributes", "SpanAttributeTypes")
_REWARDS = ("SpanId", "ParentSpanId", "StartNs", "Duration", "EventNames", *_OF_REWARDS)


def sketch_table(answer: pa.Table) -> Sketch:
    """Sketch the spans of a `skim.sql` result. Tokens stay where they lie: a row's are those of its slot."""
    slots = _in_order(answer)
    scores = answer.select(_REWARDS).combine_chunks()
    table = answer.drop_columns([*_TOKENS, *_OF_REWARDS]).combine_chunks().take(slots)
    starts = table["StartNs"].to_numpy()
    made = Sketch(
        trace_ids=_repeated(table["TraceId"]),
        span_ids=table["SpanId"].to_pylist(),
        parents=table["ParentSpanId"].to_pylist(),
        starts=starts.tolist(),
        ends=(starts + table["Duration"].to_numpy().astype(np.int64)).tolist(),
        scopes=_repeated(table["ScopeName"]),
        rollouts=_repeated(table["RolloutId"]),
        groups=_repeated(table["GroupId"]),
        attempts=table["Attempt"].to_pylist(),
        policies=[version or None for version in _repeated(table["PolicyVersion"])],
        agents=[""] * len(table),
    )
    shapes, shape_at = _shapes(table)
    _name_agents(made, table, _rows(shapes, shape_at, "names_agent"))
    made.rewards = list(_rewards(scores, _rows(shapes, shape_at, "rewards"), slots))
    kinds = np.array([shape.kind for shape in shapes], np.int8)[shape_at]
    _hold_calls(made, table, kinds, [_ragged(answer[name], kind) for name, kind in _TOKENS.items()], slots.to_numpy())
    return made


def _in_order(answer: pa.Table) -> pa.Array:
    """The rows by start time, then trace and span; of a span that is stored twice the one that started first."""
    keys = answer.select(["StartNs", "TraceId", "SpanId"])
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names])
    spans = pc.binary_join_element_wise(keys["TraceId"], keys["SpanId"], "/")
    if pc.count_distinct(spans).as_py() == len(spans):
        return order
    spans = spans.to_pylist()
    firsts: dict[str, int] = {}
    for row in order.to_pylist():
        firsts.setdefault(spans[row], row)
    return pa.array(firsts.values(), pa.int64())


def _repeated(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column of few distinct ones, each of them one object."""
    encoded = column.combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    return [values[index] for index in encoded.indices.to_pylist()]


def _shapes(table: pa.Table) -> tuple[list[Shape], npt.NDArray[np.int64]]:
    """The distinct shapes, and which each row has."""
    code = np.asarray(table["Odd"].to_numpy(), np.int64)
    for name in _SHAPING:
        encoded = table[name].combine_chunks().dictionary_encode()
        _, code = np.unique(code * (len(encoded.dictionary) + 1) + encoded.indices.to_numpy(), return_inverse=True)
    _, firsts, shape_at = np.unique(code, return_index=True, return_inverse=True)
    rows = table.select([*_SHAPING, "Odd"]).take(pa.array(firsts)).to_pylist() if len(table) else []
    return [UNTOLD if row["Odd"] else _shape(row) for row in rows], shape_at


def _shape(row: dict[str, Any]) -> Shape:
    """The shape of the spans of a row's marks; UNTOLD where a line break in a mark or a name blurs them."""
    keys, events, markers = _names(row["Keys"]), _names(row["EventNames"]), row["Markers"].split("\n")
    if keys is None or events is None or len(markers) != len(MARKERS):
        return UNTOLD
    # Attributes have no values but for the markers.
    attributes: dict[str, AttributeValue] = dict.fromkeys(keys, "")
    attributes.update({key: value for key, value in zip(MARKERS, markers, strict=True) if key in attributes})
    happened = tuple(Event(0, name) for name in events)
    return shape_of(
        Span("", "", row["SpanName"], 0, 0, scope_name=row["ScopeName"], attributes=attributes, events=happened)
    )


def _names(joined: str) -> list[str] | None:
    """Names that come joined, after their number; None where one of them has a line break in it."""
    count, *names = joined.split("\n")
    return names if len(names) == int(count) else None


def _rows(shapes: Sequence[Shape], shape_at: npt.NDArray[np.int64], mark: str) -> list[int]:
    """The rows whose shape has a mark."""
    marked = np.array([getattr(shape, mark) for shape in shapes], bool)
    found: list[int] = np.flatnonzero(marked[shape_at]).tolist()
    return found


def _name_agents(made: Sketch, table: pa.Table, rows: list[int]) -> None:
    part = table.select(["SpanName", "Markers", "AgentNames"]).take(pa.array(rows, pa.int64()))
    known: dict[tuple[str, ...], str] = {}
    columns = (part[name].to_pylist() for name in part.column_names)
    for place, name, markers, names in zip(rows, *columns, strict=True):
        key = (name, markers, *names)
        if key not in known:
            values = zip((*_AGENT_NAMES, *MARKERS), (*names, *markers.split("\n")), strict=False)
            said = {attribute: value for attribute, value in values if value}
            known[key] = agent_of(Span("", "", name, 0, 0, attributes=said)) or ""
        made.agents[place] = known[key]


def _rewards(table: pa.Table, rows: list[int], slots: pa.Array) -> Iterator[tuple[int, Reward]]:
    """slots: where each row is in the table."""
    part = table.take(slots.take(pa.array(rows, pa.int64())))
    columns = (part[name].to_pylist() for name in _REWARDS)  # a dict a row would cost more than all that follows
    for place, (span_id, parent, start, took, names, times, told, types, pairs, kinds) in zip(
        rows, zip(*columns, strict=True), strict=True
    ):
        events = zip(times, _names(names) or (), told, types, strict=False)
        span = Span(
            trace_id="",
            span_id=span_id,
            parent_span_id=parent,
            name="",
            start_ns=start,
            end_ns=start + took,
            attributes=_plain(pairs, kinds),
            events=tuple(Event(time, name, _plain(said, kind)) for time, name, said, kind in events),
        )
        yield from ((place, reward) for reward in rewards_of(span))


_SIMPLE: dict[str, Callable[[str], AttributeValue]] = {
    "int_value": int,
    "double_value": float,
    "bool_value": lambda text: text == "true",
}


def _plain(pairs: Iterable[tuple[str, str]], kinds: Iterable[tuple[str, str]]) -> dict[str, AttributeValue]:
    """Attributes as a reward may have them: text, numbers and truths; anything else says nothing here."""
    found: dict[str, AttributeValue] = dict(pairs)
    for key, kind in kinds:
        if key in found:
            found[key] = _SIMPLE[kind](str(found[key])) if kind in _SIMPLE else None
    return found


def _hold_calls(
    made: Sketch,
    table: pa.Table,
    kinds: npt.NDArray[np.int8],
    tokens: Sequence[Ragged],
    slots: npt.NDArray[np.int64],
) -> None:
    """tokens: prompts, responses and logprobs; slots: where each row's lie in them."""
    prompts, responses, logprobs = tokens
    finishes, finish_at = _finishes(table)
    is_json = kinds == int(Kind.JSON)
    told = is_json | (kinds == int(Kind.INDEXED))
    told &= np.asarray(table["Plain"].to_numpy(), bool)
    told &= ((np.diff(prompts.starts) > 0) & (np.diff(responses.starts) > 0))[slots]
    as_json = np.array([listed is not None for listed, _ in finishes], bool)
    as_text = np.array([plain is not None for _, plain in finishes], bool)
    told &= np.where(is_json, as_json[finish_at], as_text[finish_at])
    told &= ~pc.starts_with(table["ResponseId"], "resp_").to_numpy()
    calls: list[int] = np.flatnonzero(told).tolist()
    made.untold = np.flatnonzero(~told & (kinds != int(Kind.SILENT))).tolist()
    response_ids, json_list, finish_list = table["ResponseId"].to_pylist(), is_json.tolist(), finish_at.tolist()
    for place in calls:
        listed, plain = finishes[finish_list[place]]
        made.finishes[place] = (listed if json_list[place] else plain) or ""
        made.response_ids[place] = response_ids[place] or None
    made.hold(calls, prompts, responses, logprobs, slots.tolist())


def _finishes(table: pa.Table) -> tuple[list[tuple[str | None, str | None]], npt.NDArray[np.int64]]:
    """The distinct finish reasons, read as a JSON list of one and as they are, and which each row has."""
    encoded = table["Finish"].combine_chunks().dictionary_encode()
    found = [(named_finish(_only(text)), named_finish(text)) for text in encoded.dictionary.to_pylist()]
    return found, encoded.indices.to_numpy().astype(np.int64)


def _only(text: str) -> object:
    try:
        listed = json.loads(text)
    except ValueError:
        return None
    return listed[0] if isinstance(listed, list) and len(listed) == 1 else None


def _ragged(column: pa.ChunkedArray, kind: type[np.generic]) -> Ragged:
    values = [chunk.flatten().to_numpy().astype(kind, copy=False) for chunk in column.chunks]
    lengths = [np.diff(chunk.offsets.to_numpy()) for chunk in column.chunks]
    starts = np.cumsum(np.concatenate([np.zeros(1, np.int64), *lengths]), dtype=np.int64)
    return Ragged(np.frombuffer(b"".join(values), kind), starts.tolist())

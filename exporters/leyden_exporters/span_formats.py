"""Formats that write spans as they are stored rather than what they mean: `spans` (Parquet) and `otlp` (protobuf)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq

from leyden_exporters.errors import FormatUnknown, PathUnwritable
from leyden_exporters.files import new_file
from leyden_exporters.formats import FORMATS, Format, format_named
from leyden_exporters.options import Options
from leyden_exporters.report import Report, SpanRow
from leyden_store.errors import SelectionEmpty
from leyden_store.lightning import LightningStore
from leyden_store.otlp import encode_traces
from leyden_store.selection import Selection
from leyden_store.span_sets import SpanKey
from leyden_store.spans import Span
from leyden_store.turns import Rollout

_PER_REQUEST = 2048
"""Spans an OTLP request holds: some 3 MB, well under every receiver's limit."""

WriteSpans = Callable[[LightningStore, Selection, Path], list[SpanKey]]
"""Writes the selected traces to a path, whole or not at all; which spans those were. Raises SelectionEmpty."""


def write_spans(store: LightningStore, selection: Selection, path: Path) -> list[SpanKey]:
    """Parquet with the columns of `otel_traces`, each span once."""
    _check_suffix(path, _SUFFIX["spans"], "spans")
    keys: list[SpanKey] = []
    with new_file(path) as temporary:
        writer: pq.ParquetWriter | None = None
        try:
            for table in store.span_tables(selection):
                writer = writer or pq.ParquetWriter(temporary, table.schema, compression="zstd")
                writer.write_table(table)
                keys += zip(table["TraceId"].to_pylist(), table["SpanId"].to_pylist(), strict=True)
        finally:
            if writer is not None:
                writer.close()
        _check_some(keys, selection)
    return keys


def write_otlp(store: LightningStore, selection: Selection, path: Path) -> list[SpanKey]:
    """An OTLP file `leyden ingest` and any OTLP receiver read: one ExportTraceServiceRequest in protobuf.

    Protobuf merges concatenated messages, so the file is written piece by piece and read as one request.
    """
    _check_suffix(path, _SUFFIX["otlp"], "otlp")
    keys: list[SpanKey] = []
    with new_file(path) as temporary, temporary.open("wb") as file:
        spans = store.spans(selection)
        while piece := list(islice(spans, _PER_REQUEST)):
            file.write(encode_traces(piece))
            keys += _keys(piece)
        _check_some(keys, selection)
    return keys


SPAN_FORMATS: dict[str, WriteSpans] = {"spans": write_spans, "otlp": write_otlp}


def format_or_spans(name: str, store: LightningStore, selection: Selection) -> Format:
    """The format of that name, those of spans too, which read the store themselves. Raises FormatUnknown."""
    if name not in SPAN_FORMATS:
        if name not in FORMATS and (near := [one for one in SPAN_FORMATS if one.startswith(name[:3])]):
            raise FormatUnknown(f"no export format is called {name!r}; did you mean {', '.join(near)}?")
        return format_named(name)

    def write(_rollouts: Iterable[Rollout], path: Path, _options: Options) -> Report:
        keys = SPAN_FORMATS[name](store, selection, path)
        report = Report(written=len(keys))
        report.add(SpanRow("", trace_id, span_id) for trace_id, span_id in keys)
        return report

    return Format(name, "spans as they are stored", write, (_SUFFIX[name],))


_SUFFIX = {"spans": ".parquet", "otlp": ".pb"}


def _keys(spans: list[Span]) -> Iterator[SpanKey]:
    return ((span.trace_id, span.span_id) for span in spans)


def _check_some(keys: list[SpanKey], selection: Selection) -> None:
    """Before the file takes its place: an empty selection must not replace what is there."""
    if not keys:
        chosen = selection.query or selection.sql
        raise SelectionEmpty(f"no trace matches {chosen!r}; see what is stored with: leyden traces")


def _check_suffix(path: Path, suffix: str, name: str) -> None:
    if path.suffix != suffix:
        raise PathUnwritable(f"{path}: the format {name!r} is written to a {suffix} file")

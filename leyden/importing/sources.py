"""Which tool a file is from, and its spans; what is no span is told by line or row, and the rest goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from leyden.importing import langfuse, mlflow, openai_chat, phoenix
from leyden.importing._values import Unusable
from leyden_store.errors import OtlpInvalid
from leyden_store.spans import Span


class Source(StrEnum):
    """A tool whose exports are read."""

    LANGFUSE = "langfuse"
    PHOENIX = "phoenix"
    MLFLOW = "mlflow"
    OPENAI = "openai"


SOURCES = tuple(str(source) for source in Source)


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that gave no span. where: its line or row, from 1."""

    where: str
    why: str


def sniff(path: Path) -> Source | None:
    """Which tool's export a file is; None where it is none of theirs, as OTLP is not."""
    try:
        if path.suffix == ".parquet":
            return Source.PHOENIX if set(pq.read_schema(path).names) >= phoenix.COLUMNS else None
        if path.suffix not in (".json", ".jsonl"):
            return None
        for _, text in _records(path):
            record = json.loads(text) if isinstance(text, str) else text
            for one in record if isinstance(record, list) else [record]:
                if isinstance(one, Mapping):
                    return next((source for source, known in _KNOWN.items() if known(one)), None)
            return None
    except (OSError, ValueError, pa.ArrowException):
        return None
    return None


def spans_of(path: Path, source: Source) -> Iterator[Span | Bad]:
    """The spans of a file, and what gave none. Raises OtlpInvalid where the file cannot be read at all."""
    if source is Source.PHOENIX:
        yield from _rows(path)
        return
    for number, (where, found) in enumerate(_records(path)):
        try:
            record = json.loads(found) if isinstance(found, str) else found
        except ValueError as error:
            yield Bad(where, f"no JSON ({error})")
            continue
        for one in record if isinstance(record, list) else [record]:
            try:
                if not isinstance(one, Mapping):
                    raise Unusable("no object")
                yield from _spans(one, source, number)
            except (Unusable, KeyError, TypeError, ValueError, AttributeError) as error:
                yield Bad(where, str(error) or type(error).__name__)


_KNOWN: dict[Source, Callable[[Mapping[str, Any]], bool]] = {
    Source.MLFLOW: mlflow.is_one,
    Source.LANGFUSE: langfuse.is_one,
    Source.OPENAI: openai_chat.is_one,
}


def _spans(record: Mapping[str, Any], source: Source, number: int) -> list[Span]:
    match source:
        case Source.LANGFUSE:
            return [langfuse.span(record)]
        case Source.MLFLOW:
            return list(mlflow.spans(record))
        case _:
            return list(openai_chat.spans(record, number))


def _records(path: Path) -> Iterator[tuple[str, str | Any]]:
    """Lines of a `.jsonl` with their place, as text; of a `.json` the value, or the items of its list, parsed."""
    try:
        if path.suffix == ".json":
            value = json.loads(path.read_text(encoding="utf-8"))
            items = (
                value
                if isinstance(value, list)
                else value.get("traces", [value])
                if isinstance(value, dict)
                else [value]
            )
            yield from ((f"item {number}", item) for number, item in enumerate(items, start=1))
            return
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield f"line {number}", line
    except UnicodeDecodeError as error:
        raise OtlpInvalid(f"{path} is no UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise OtlpInvalid(f"{path} is no JSON: {error}") from error


def _rows(path: Path) -> Iterator[Span | Bad]:
    try:
        file = pq.ParquetFile(path)
        missing = phoenix.COLUMNS - set(file.schema_arrow.names)
        if missing:
            raise OtlpInvalid(f"{path} is no Phoenix export: it has no column {', '.join(sorted(missing))}")
        number = 0
        for batch in file.iter_batches(1024):
            for row in batch.to_pylist():
                number += 1
                try:
                    yield phoenix.span(row)
                except (Unusable, TypeError, ValueError, AttributeError) as error:
                    yield Bad(f"row {number}", str(error))
    except pa.ArrowException as error:
        raise OtlpInvalid(f"{path} is no Parquet: {str(error).splitlines()[0]}") from error

"""Cards: the README of a snapshot, which the Hugging Face Hub shows and `load_dataset` reads its parts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leyden_exporters.snapshots.manifest import Manifest

_CARD = """---
configs:
- config_name: default
  data_files:
{files}
tags:
- agents
- opentelemetry
---

# {title}

{rows:,} rows in the format `{format}`, made by [Leyden](https://github.com/leyden-dev/leyden) from {spans:,}
OpenTelemetry spans. `manifest.json` says how; `lineage.parquet` says which spans each row is made of,
`report.parquet` what became of every LLM span that was read.

## Selected by

```sql
{sql}
```
{parameters}
## Kept and dropped

{report}
{curation}
## To check

`leyden datasets --verify FOLDER` compares every file with the manifest. The data's SHA-256 is `{sha256}`.
"""


def card(manifest: Manifest) -> str:
    """The README of a snapshot."""
    query = manifest.query
    named = f"{query['name']}, version {query['version']}" if query.get("name") else "Agent data"
    parts = "\n".join(f"  - split: {split}\n    path: {_pattern(split, manifest)}" for split in manifest.splits)
    given = query.get("parameters") or {}
    return _CARD.format(
        files=parts,
        title=named,
        rows=manifest.rows,
        format=manifest.format,
        spans=manifest.spans,
        sql=query["sql"],
        parameters="".join(f"\n- `{name}` = `{value}`" for name, value in sorted(given.items()))
        + ("\n" if given else ""),
        report=_table(_counts(manifest.report)),
        curation=_curation(manifest.curation),
        sha256=manifest.sha256,
    )


def _pattern(split: str, manifest: Manifest) -> str:
    paths = [file.path for file in manifest.files if file.split == split]
    return paths[0] if len(paths) == 1 else f"{split}-*{paths[0][paths[0].index('.') :]}"


def _counts(report: Mapping[str, Any]) -> list[tuple[str, int]]:
    lines = [
        (name.replace("_", " "), report[name])
        for name in ("rollouts", "llm_spans", "kept", "written", "spans")
        if name in report
    ]
    lines += [(f"dropped: {reason}", count) for reason, count in sorted((report.get("dropped") or {}).items())]
    return lines + [(f"note: {name}", count) for name, count in sorted((report.get("notes") or {}).items())]


def _curation(steps: Sequence[Mapping[str, Any]]) -> str:
    if not steps:
        return ""
    return "\n## Curation, in rollouts\n\n" + _table(
        [(f"{one['step']}: {one['in']:,} in", one["out"]) for one in steps], "step", "left"
    )


def _table(rows: Sequence[tuple[str, int]], left: str = "what", right: str = "count") -> str:
    return (
        "\n".join([f"| {left} | {right} |", "|---|---:|", *(f"| {name} | {count:,} |" for name, count in rows)]) + "\n"
    )

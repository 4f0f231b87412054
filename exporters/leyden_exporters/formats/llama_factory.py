"""`llama-factory`: a dataset folder for LLaMA-Factory: ShareGPT rows beside the `dataset_info.json` that names them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from leyden_exporters.errors import PathUnwritable
from leyden_exporters.files import new_folder
from leyden_exporters.formats import sharegpt
from leyden_exporters.formats._format import Format
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_store.turns import Rollout

_INFO = {
    "leyden": {
        "file_name": "train.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "system": "system", "tools": "tools"},
    }
}


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write a folder to be given as `dataset_dir`, with `dataset: leyden`. See `sharegpt` for what is left out."""
    if path.suffix:
        raise PathUnwritable(f"cannot write {path}: llama-factory makes a folder, give a name without a suffix")
    with new_folder(path) as folder:
        report = sharegpt.write(rollouts, folder / "train.jsonl", options)
        (folder / "dataset_info.json").write_text(json.dumps(_INFO, indent=2) + "\n", encoding="utf-8")
    return report


FORMAT = Format("llama-factory", "a dataset folder for LLaMA-Factory", write, ("",))

"""`llama-factory`: a dataset folder for LLaMA-Factory: ShareGPT rows beside the `dataset_info.json` that names them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from leyden_exporters.errors import PathUnwritable
from leyden_exporters.files import new_folder
from leyden_exporters.formats import sharegpt
from leyden_exporters.formats._format import Format
from leyden_exporters.options import Options
from leyden_exporters.report import Report
from leyden_store.turns import Rollout

_COLUMNS = {"messages": "conversations", "system": "system", "tools": "tools"}


def write(rollouts: Iterable[Rollout], path: Path, options: Options) -> Report:
    """Write a folder to be given as `dataset_dir`, with `dataset: leyden`. See `sharegpt` for what is left out."""
    if path.suffix:
        raise PathUnwritable(f"cannot write {path}: llama-factory makes a folder, give a name without a suffix")
    with new_folder(path) as folder:
        report = sharegpt.write(rollouts, folder / "train.jsonl", options)
        beside(folder, {"train": ["train.jsonl"]})
    return report


def beside(folder: Path, files: Mapping[str, Sequence[str]]) -> None:
    """Write `dataset_info.json`: `leyden` is the training data, `leyden_validation` and the like the other parts.

    LLaMA-Factory reads one file a data set: further shards are data sets of their own, `leyden_1`, `leyden_2`, …
    """
    info = {}
    for split, names in files.items():
        called = "leyden" if split == "train" else f"leyden_{split}"
        for number, name in enumerate(names):
            entry = {"file_name": name, "formatting": "sharegpt", "columns": _COLUMNS}
            info[called if number == 0 else f"{called}_{number}"] = entry
    (folder / "dataset_info.json").write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")


FORMAT = Format(
    "llama-factory",
    "a dataset folder for LLaMA-Factory",
    write,
    ("", ".jsonl"),
    sharegpt.write,
    beside,
    supervised=True,
)

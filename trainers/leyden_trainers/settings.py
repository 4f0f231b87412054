"""`--set key=value`: a trainer's own settings and transformers' TrainingArguments, told apart by name."""

from __future__ import annotations

import dataclasses
import difflib
import json
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from leyden_trainers.errors import SettingInvalid
from leyden_trainers.plugin import Plugin, TrainerConfig

_OURS = {
    "output_dir": "the checkpoint goes to --out",
    "remove_unused_columns": "the trainer reads what it needs",
    "resume_from_checkpoint": "go on with a run with --resume, or start from its checkpoint with --model",
    "save_total_limit": "the newest state is kept, to go on from, until the run has ended",
    "save_only_model": "a run can go on only from all of its state",
    "push_to_hub": "upload the checkpoint yourself when you have seen it",
}
"""TrainingArguments that are not the user's to set, and why."""


def config_from_sets(trainer: Plugin, sets: Iterable[str]) -> TrainerConfig:
    """The trainer's config from `key=value` texts. Raises SettingInvalid; an unknown key names the near ones."""
    own = {name: field.annotation for name, field in trainer.Config.model_fields.items() if name != "training"}
    values: dict[str, Any] = {}
    training: dict[str, Any] = {}
    arguments: Mapping[str, Any] = {}
    for text in sets:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals:
            raise SettingInvalid(f"{text!r} is no setting: write --set key=value")
        if key in own:
            values[key] = _read(key, own[key], value)
            continue
        arguments = arguments or _arguments(trainer)
        if key in _OURS:
            raise SettingInvalid(f"{key} cannot be set: {_OURS[key]}")
        if key not in arguments:
            raise SettingInvalid(_unknown(trainer, key, [*own, *arguments]))
        training[key] = _read(key, arguments[key], value)
    try:
        return trainer.Config(**values, training=training)
    except ValidationError as error:
        raise SettingInvalid("; ".join(_fault(fault) for fault in error.errors())) from error


def _arguments(trainer: Plugin) -> Mapping[str, Any]:
    """TrainingArguments by name, with their types."""
    cls = trainer.arguments_class()
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def _read(key: str, kind: Any, text: str) -> Any:
    """The text as that type: as it stands, as JSON, or as None."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    candidates: list[Any] = [text]
    try:
        candidates.append(json.loads(text))
    except ValueError:
        candidates += [None] if text.lower() == "none" else []
    if text.lower() in ("none", "null"):  # before the text itself, which a string would take
        candidates.reverse()
    for candidate in candidates:
        try:
            return adapter.validate_python(candidate)
        except ValidationError:
            continue
    raise SettingInvalid(f"{key} cannot be {text!r}: it takes {_words(kind)}")


def _unknown(trainer: Plugin, key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.6)
    advice = f"did you mean {' or '.join(near)}?" if near else "see TrainingArguments in transformers"
    return f"{trainer.name} has no setting {key!r}: {advice}"


def _fault(fault: Mapping[str, Any]) -> str:
    return f"{'.'.join(map(str, fault['loc']))} cannot be {fault['input']!r}: {fault['msg'].lower()}"


def _words(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")

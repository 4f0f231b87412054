"""The frame of every run: its arguments, the loop with its reports, the saved model."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback, TrainingArguments

from leyden_trainers import curves
from leyden_trainers.errors import RequirementMissing, SettingInvalid
from leyden_trainers.lora import merged
from leyden_trainers.models import quiet
from leyden_trainers.plugin import PROGRESS, OnMetrics, TrainerConfig, TrainResult
from leyden_trainers.resumable import KeepStates, drop_states, newest_state

Arguments = TypeVar("Arguments", bound=TrainingArguments)


def training_arguments(cls: type[Arguments], folder: Path, config: TrainerConfig, **defaults: Any) -> Arguments:
    """The run's arguments: what the user set, over the trainer's defaults, over ours. Raises SettingInvalid.

    Ours keep the run to itself: no reporting service, no progress bar in a pipe; a state to go on from is written every
    while, or as the user says. Whatever is made at random from here on, such as adapters, follows from the seed.
    """
    import torch

    ours = {
        "report_to": "none",
        "save_strategy": "steps" if "save_steps" in config.training else "no",
        "logging_steps": 1,
        "disable_tqdm": not sys.stderr.isatty(),
        "dataloader_pin_memory": torch.cuda.is_available(),
    }
    try:
        given = {**ours, **defaults, **config.training, "output_dir": str(folder)}
        made = cls(**given | {"report_to": given["report_to"] or "none"})  # None, which it may be, it takes for a name
    except (TypeError, ValueError) as error:
        raise SettingInvalid(f"transformers refuses these settings: {str(error).splitlines()[0]}") from error
    transformers.set_seed(made.seed)
    return made


def check_fits(table: pa.Table, model: PreTrainedModel) -> None:
    """Raise RequirementMissing when the rows' ids are no ids of this model, or there are too many in a row."""
    config = model.config.get_text_config()
    highest = pc.max(table["input_ids"].combine_chunks().flatten()).as_py()
    if highest >= config.vocab_size:
        raise RequirementMissing(
            f"the rows hold token id {highest}, the model has {config.vocab_size} in all: another model sampled them"
        )
    longest = pc.max(pc.list_value_length(table["input_ids"])).as_py()
    limit = getattr(config, "max_position_embeddings", None)
    if limit and longest > limit:
        raise RequirementMissing(
            f"the longest row has {longest} tokens and the model reads {limit}: export with max_tokens={limit}"
        )


def fit(
    trainer: transformers.Trainer, tokenizer: PreTrainedTokenizerBase, folder: Path, out: Path, on_metrics: OnMetrics
) -> TrainResult:
    """Run the training loop and save model and tokenizer into `folder`, which is to become `out`.

    It goes on from the newest state in `folder`, if there is one, to the same weights as if it had never stopped.
    """
    arguments = trainer.args
    state = newest_state(folder, arguments)
    trainer.add_callback(KeepStates(folder, arguments, by_time=arguments.save_strategy == "no"))
    trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
    if trainer.pop_callback(transformers.trainer_callback.ProgressCallback):
        trainer.add_callback(_Bar())
    report = _Report(on_metrics)
    trainer.add_callback(report)
    with quiet():
        trainer.train(resume_from_checkpoint=str(state) if state else None)
        merged(trainer.accelerator.unwrap_model(trainer.model), folder / "adapter").save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    drop_states(folder)
    curves.draw(_points(trainer.state.log_history), folder / curves.FILE)
    metrics = report.last | _whole_loss(trainer.state.log_history) if state else report.last
    return TrainResult(out, trainer.state.global_step, metrics)


def _points(history: Sequence[Mapping[str, Any]]) -> list[tuple[int, str, float]]:
    """What was logged, that of the steps before a kill too: step, name, value."""
    return [
        (entry["step"], name, float(value))
        for entry in history
        for name, value in entry.items()
        if name != "step" and isinstance(value, int | float)
    ]


def _whole_loss(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The mean loss of all steps: transformers tells that of the steps since it went on."""
    total, done = 0.0, 0
    for entry in history:
        if "loss" in entry:
            total += entry["loss"] * (entry["step"] - done)
            done = entry["step"]
    return {"train_loss": total / done} if done else {}


class _Bar(transformers.trainer_callback.ProgressCallback):
    """The bar alone: numbers go to `on_metrics`, not to stdout."""

    def on_log(self, *_: Any, **__: Any) -> None:
        return


class _Report(TrainerCallback):
    """Passes on what the trainer logs, and how far it is."""

    def __init__(self, on_metrics: OnMetrics) -> None:
        self.last: dict[str, float] = {}
        self._on_metrics = on_metrics

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Of a run that is gone on with: what was measured before, some of which may not have got out."""
        for logs in state.log_history:
            self._tell(logs["step"], state, {key: value for key, value in logs.items() if key != "step"})

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002 - transformers' own
        self._tell(state.global_step, state, kwargs.get("logs") or {})

    def _tell(self, step: int, state: Any, logs: Mapping[str, Any]) -> None:
        numbers = {key: float(value) for key, value in logs.items() if isinstance(value, int | float)}
        self.last.update(numbers)
        self._on_metrics(step, numbers | {PROGRESS: step / max(state.max_steps, 1)})

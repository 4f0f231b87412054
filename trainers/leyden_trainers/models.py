"""Loading a causal language model and its tokenizer from a folder, with one clear error when it is none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leyden_trainers.errors import ModelInvalid

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def check_model(model: str) -> str:
    """The model as transformers take it: a folder, or a hub name such as `org/name`. One at a URL is fetched first.

    Raises ModelInvalid for what holds no model.
    """
    if "://" in model:
        from leyden_trainers.fetching import fetched

        model = str(fetched(model))
    path = Path(model)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelInvalid(f"{model} holds no model: it has no config.json")
    elif path.exists() or path.is_absolute() or model.startswith(".") or model.count("/") != 1:
        raise ModelInvalid(f"{model} is no model folder: give a folder written by save_pretrained, or a hub name")
    return model


def load_tokenizer(model: str) -> PreTrainedTokenizerBase:
    """The model's tokenizer. Raises ModelInvalid when there is none."""
    from transformers import AutoTokenizer

    found = check_model(model)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(found)
    except Exception as error:
        raise ModelInvalid(f"the tokenizer of {model} cannot be loaded: {_first_line(error)}") from error
    return tokenizer


def load_model(model: str) -> PreTrainedModel:
    """The causal language model, in the precision it was saved in. Raises ModelInvalid when it cannot be loaded."""
    from transformers import AutoModelForCausalLM

    found = check_model(model)
    try:
        with quiet():
            loaded: PreTrainedModel = AutoModelForCausalLM.from_pretrained(found)
    except Exception as error:
        raise ModelInvalid(f"the model in {model} cannot be loaded: {_first_line(error)}") from error
    return loaded


def load_scorer(model: str) -> PreTrainedModel:
    """The model with a head of one score; the head is new when the folder holds none. Raises ModelInvalid."""
    from transformers import AutoModelForSequenceClassification

    found = check_model(model)
    try:
        with quiet():
            loaded: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(found, num_labels=1)
    except Exception as error:
        raise ModelInvalid(f"the model in {model} cannot be loaded: {_first_line(error)}") from error
    return loaded


def moved(model: PreTrainedModel, device: str) -> PreTrainedModel:
    """The model on that device, for reading: no dropout."""
    torch_module: Any = model
    ready: PreTrainedModel = torch_module.to(device).eval()
    return ready


@contextmanager
def quiet() -> Iterator[None]:
    """Without what says nothing to a user: progress bars for a moment's work, and the libraries' talk of old names.

    TRL 1.16 and peft 0.21 ask transformers 5.23 for `is_gradient_checkpointing`, which warns of its new name.
    """
    import datasets
    from transformers.utils import logging

    bars: Any = logging
    shown, data_shown = bars.is_progress_bar_enabled(), not datasets.are_progress_bars_disabled()
    bars.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            yield
    finally:
        if shown:
            bars.enable_progress_bar()
        if data_shown:
            datasets.enable_progress_bars()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

"""Loading a causal language model and its tokenizer from a folder, with one clear error when it is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leyden_trainers.errors import ModelInvalid

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def check_model(model: str) -> None:
    """Raise ModelInvalid when `model` is a path that holds no model; a name such as `org/name` is left to the hub."""
    path = Path(model)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelInvalid(f"{model} holds no model: it has no config.json")
    elif path.exists() or path.is_absolute() or model.startswith(".") or model.count("/") != 1:
        raise ModelInvalid(f"{model} is no model folder: give a folder written by save_pretrained, or a hub name")


def load_tokenizer(model: str) -> PreTrainedTokenizerBase:
    """The model's tokenizer. Raises ModelInvalid when there is none."""
    from transformers import AutoTokenizer

    check_model(model)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(model)
    except Exception as error:
        raise ModelInvalid(f"the tokenizer of {model} cannot be loaded: {_first_line(error)}") from error
    return tokenizer


def load_model(model: str) -> PreTrainedModel:
    """The causal language model, in the precision it was saved in. Raises ModelInvalid when it cannot be loaded."""
    from transformers import AutoModelForCausalLM

    check_model(model)
    try:
        with no_bars():
            loaded: PreTrainedModel = AutoModelForCausalLM.from_pretrained(model)
    except Exception as error:
        raise ModelInvalid(f"the model in {model} cannot be loaded: {_first_line(error)}") from error
    return loaded


def moved(model: PreTrainedModel, device: str) -> PreTrainedModel:
    """The model on that device, for reading: no dropout."""
    torch_module: Any = model
    ready: PreTrainedModel = torch_module.to(device).eval()
    return ready


@contextmanager
def no_bars() -> Iterator[None]:
    """Without the progress bars that transformers draws for a moment's work, in a pipe too."""
    from transformers.utils import logging

    bars: Any = logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

"""Export formats, one small module each, by the name that `leyden export --format` takes."""

from __future__ import annotations

from difflib import get_close_matches

from leyden_exporters.errors import FormatUnknown
from leyden_exporters.formats import (
    axolotl,
    hf,
    llama_factory,
    openai_dpo,
    openai_sft,
    replay,
    sharegpt,
    trajectories,
    trl_dpo,
    trl_kto,
    trl_reward,
    trl_sft,
    trl_sft_tokens,
    turns,
)
from leyden_exporters.formats._format import Format, Write

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        turns,
        trajectories,
        replay,
        trl_sft,
        trl_sft_tokens,
        trl_dpo,
        trl_kto,
        trl_reward,
        openai_sft,
        openai_dpo,
        axolotl,
        sharegpt,
        llama_factory,
        hf,
    )
}
"""Every format that reads rollouts."""


def format_named(name: str) -> Format:
    """The format of that name. Raises FormatUnknown, which says the near ones."""
    if name in FORMATS:
        return FORMATS[name]
    near = get_close_matches(name, FORMATS, n=3, cutoff=0.4) or sorted(FORMATS)
    raise FormatUnknown(f"no export format is called {name!r}; did you mean {', '.join(near)}?")


__all__ = ["FORMATS", "Format", "Write", "format_named"]

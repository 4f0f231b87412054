"""Export formats, one small module each, by the name that `leyden export --format` takes."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import entry_points

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
    unsloth,
    verl_rl,
    verl_sft,
)
from leyden_exporters.formats._format import GROUP, Format, Write

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
        unsloth,
        verl_rl,
        verl_sft,
    )
}
"""Every format that reads rollouts."""


def formats() -> dict[str, Format]:
    """Every format there is: ours, and those that other packages bring under the entry point group `leyden.exporters`.

    One of ours keeps its name. Raises FormatUnknown for a plugin that cannot be loaded or is no format.
    """
    found = dict(FORMATS)
    for point in entry_points(group=GROUP):
        if point.name not in found:
            try:
                form = point.load()
            except Exception as error:
                raise FormatUnknown(f"the format {point.name!r} ({point.value}) cannot be loaded: {error}") from error
            if not isinstance(form, Format):
                raise FormatUnknown(f"the format {point.name!r} ({point.value}) is no leyden_exporters.formats.Format")
            found[point.name] = form
    return found


def format_named(name: str) -> Format:
    """The format of that name. Raises FormatUnknown, which says the near ones."""
    if name in FORMATS:
        return FORMATS[name]
    found = formats()
    if name in found:
        return found[name]
    near = get_close_matches(name, found, n=3, cutoff=0.4) or sorted(found)
    raise FormatUnknown(f"no export format is called {name!r}; did you mean {', '.join(near)}?")


__all__ = ["FORMATS", "GROUP", "Format", "Write", "format_named", "formats"]

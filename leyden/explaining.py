"""`leyden export --explain`: one rollout found by its id, and what training sees of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from leyden_exporters.errors import RolloutNotFound, TokenizerUnusable
from leyden_exporters.explain import Decode, Explanation, explain
from leyden_exporters.options import Options
from leyden_store.lightning import LightningStore
from leyden_store.selection import Selection
from leyden_store.turns import Rollout

_NEAR = 3
"""Ids offered for a wrong one."""

# A span without a rollout's name is of its trace's rollout, which then bears the trace's id.
_IDS = """
SELECT DISTINCT arrayJoin([RolloutId, TraceId]) AS id
FROM otel_traces WHERE TraceId IN ({traces}) AND id != ''
"""
_OF = """
SELECT * FROM ({selection})
WHERE TraceId IN (SELECT TraceId FROM otel_traces WHERE startsWith(RolloutId, {{id:String}})
                  UNION DISTINCT SELECT TraceId FROM otel_traces WHERE startsWith(TraceId, {{id:String}}))
"""


def explain_rollout(
    store: LightningStore, selection: Selection, rollout_id: str, options: Options, decode: Decode | None = None
) -> Explanation:
    """Explain the selected rollout of that id, or of the only id that begins so. Raises RolloutNotFound."""
    return explain(find_rollout(store, selection, rollout_id), options, decode)


def find_rollout(store: LightningStore, selection: Selection, rollout_id: str) -> Rollout:
    """The selected rollout of that id, or of the only id that begins so; reads no other.

    Raises RolloutNotFound, and SelectionEmpty when the selection holds nothing at all.
    """
    ids = _ids(store, selection)
    if any(one.startswith(rollout_id) for one in ids):
        narrowed = replace(
            selection,
            sql=_OF.format(selection=selection.sql),
            parameters={**selection.parameters, "id": rollout_id},
        )
        found = {rollout.rollout_id: rollout for rollout in store.rollouts(narrowed)}
        if rollout_id in found:
            return found[rollout_id]
        fitting = [one for name, one in found.items() if name.startswith(rollout_id)]
        # A trace's id leads to its rollout too.
        fitting = fitting or [one for one in found.values() if any(t.startswith(rollout_id) for t in one.trace_ids)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            names = ", ".join(sorted(one.rollout_id for one in fitting)[:_NEAR])
            raise RolloutNotFound(f"{len(fitting)} rollouts begin with {rollout_id!r}: {names}, …; give more of the id")
    near = get_close_matches(rollout_id, ids, _NEAR, cutoff=0.4) or ids[:_NEAR]
    raise RolloutNotFound(f"no selected rollout is called {rollout_id!r}; there is: {', '.join(near)}")


def text_decoder(tokenizer: str) -> Decode:
    """Token ids → text, by a tokenizer from a folder or the hub. Raises TokenizerUnusable."""
    loaded = load_tokenizer(tokenizer)

    def decode(ids: Sequence[int]) -> str:
        return str(loaded.decode(list(ids)))

    return decode


def load_tokenizer(name: str) -> Any:
    """A tokenizer from a folder or the hub. Raises TokenizerUnusable."""
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise TokenizerUnusable("a tokenizer needs transformers: pip install 'leyden[trainers]'") from error

    try:
        return AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        said = str(error).strip().partition("\n")[0]
        raise TokenizerUnusable(f"cannot load a tokenizer from {name!r}: {said}") from error


def _ids(store: LightningStore, selection: Selection) -> list[str]:
    found = store.sql(_IDS.format(traces=selection.trace_ids), selection.parameters)
    return sorted(found["id"].to_pylist())

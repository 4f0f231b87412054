"""The sequences being generated together: one key-value cache, padded on the left, that rows join and leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel

Layers = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of each layer, [B, heads, T, head size]."""


@dataclass(slots=True)
class Batch:
    """B rows of T cached tokens.

    mask:   int64 [B, T], 0 on the padding at the left
    logits: float32 [B, V], of the token that comes next
    """

    layers: Layers = field(default_factory=list)
    mask: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.long))
    logits: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 0))

    @classmethod
    def of(cls, model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> Batch:
        """Run the prompts, one row each."""
        width = max(map(len, prompts))
        pads = [width - len(prompt) for prompt in prompts]
        ids = [[0] * pad + list(prompt) for pad, prompt in zip(pads, prompts, strict=True)]
        mask = [[0] * pad + [1] * (width - pad) for pad in pads]
        device = model.device
        return cls(*_forward(model, [], torch.tensor(ids, device=device), torch.tensor(mask, device=device)))

    def advance(self, model: PreTrainedModel, token_ids: torch.Tensor) -> Batch:
        """Run one more token of each row, int64 [B]."""
        mask = torch.cat((self.mask, self.mask.new_ones(len(token_ids), 1)), 1)
        return Batch(*_forward(model, self.layers, token_ids[:, None], mask))

    def join(self, other: Batch) -> Batch:
        """This batch's rows, then the other's."""
        if not len(self.mask):
            return other
        width = max(self.mask.shape[1], other.mask.shape[1])
        ours, theirs = self._widen(width), other._widen(width)
        layers = [
            (torch.cat((k, other_k)), torch.cat((v, other_v)))
            for (k, v), (other_k, other_v) in zip(ours.layers, theirs.layers, strict=True)
        ]
        return Batch(layers, torch.cat((ours.mask, theirs.mask)), torch.cat((ours.logits, theirs.logits)))

    def keep(self, rows: Sequence[int]) -> Batch:
        """Those rows alone, without the padding that none of them needs."""
        if not rows:
            return Batch()
        mask = self.mask[list(rows)]
        start = int(mask.argmax(1).min())
        layers = [(k[list(rows), :, start:], v[list(rows), :, start:]) for k, v in self.layers]
        return Batch(layers, mask[:, start:], self.logits[list(rows)])

    def _widen(self, width: int) -> Batch:
        more = width - self.mask.shape[1]
        pad = torch.nn.functional.pad
        layers = [(pad(k, (0, 0, more, 0)), pad(v, (0, 0, more, 0))) for k, v in self.layers]
        return Batch(layers, pad(self.mask, (more, 0)), self.logits)


def _forward(
    model: PreTrainedModel, layers: Layers, ids: torch.Tensor, mask: torch.Tensor
) -> tuple[Layers, torch.Tensor, torch.Tensor]:
    positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    cache: Any = DynamicCache(layers)
    with torch.inference_mode():
        output = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
    return [(layer.keys, layer.values) for layer in cache.layers], mask, output.logits[:, -1].float()

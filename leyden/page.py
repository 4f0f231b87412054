"""The trace page in a collector: what the page may do there beside reading, and how it writes tokens."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from fastapi import FastAPI

from leyden.explaining import text_decoder
from leyden_dashboards.trace_page.routes import router
from leyden_dashboards.trace_page.tokens import DecodeOne
from leyden_store.lightning import LightningStore

_KEPT = 1 << 17
"""Tokens whose text is kept: as many as a large vocabulary has."""


def add_page(app: FastAPI, store: LightningStore, tokenizer: str | None, fire: Callable[[str], None] | None) -> None:
    """Add the page's routes. fire: lets a trigger train now, by name; None where triggers are not looked at.

    Raises TokenizerUnusable.
    """
    app.include_router(router(store, _decoder(tokenizer) if tokenizer else str, fire))


def _decoder(tokenizer: str) -> DecodeOne:
    decode = text_decoder(tokenizer)

    @lru_cache(_KEPT)
    def one(token_id: int) -> str:
        return decode([token_id])

    return one

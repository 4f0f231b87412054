"""API keys for tests."""

from __future__ import annotations

from leyden_store.keys import Keys, Scope
from leyden_store.lightning import LightningStore


def make_key(store: LightningStore, name: str, *scopes: Scope, project: str = "") -> str:
    """A new key of the store, as its owner has it."""
    return Keys(store.connection).create(name or "all", scopes, project=project)[1]

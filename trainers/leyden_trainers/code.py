"""Which code made a checkpoint."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

_MADE_BY = ("leyden", "torch", "transformers", "trl", "peft")


def code_version() -> str:
    """The versions of what decides a run's outcome, as `leyden 0.1.0, torch 2.9.0, …`, of what is installed of it."""
    return ", ".join(f"{name} {found}" for name in _MADE_BY if (found := _version(name)))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""

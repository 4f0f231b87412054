"""Leyden's front door for agents: rollouts, agents and tools as spans, rewards. Importing it costs next to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leyden_instrumentation import PromptUnavailable, agent, annotate, evaluate, prompt, reward, rollout, tool

__all__ = ["PromptUnavailable", "agent", "annotate", "evaluate", "prompt", "reward", "rollout", "tool"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import leyden_instrumentation

    return getattr(leyden_instrumentation, name)

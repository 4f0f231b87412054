"""Leyden in the agent's process: capture by environment variables, and a small API for agents that want it.

Importing this package imports nothing else; what it offers is loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leyden_instrumentation.activation import activate
    from leyden_instrumentation.agents import agent, tool
    from leyden_instrumentation.attributes import annotate
    from leyden_instrumentation.evaluations import evaluate
    from leyden_instrumentation.launch import bootstrap_path, environment
    from leyden_instrumentation.prompts import Prompt, PromptUnavailable, prompt
    from leyden_instrumentation.rewards import reward
    from leyden_instrumentation.rollouts import Rollout, rollout

__all__ = [
    "Prompt",
    "PromptUnavailable",
    "Rollout",
    "activate",
    "agent",
    "annotate",
    "bootstrap_path",
    "environment",
    "evaluate",
    "prompt",
    "reward",
    "rollout",
    "tool",
]

_HOMES = {
    "Prompt": "prompts",
    "PromptUnavailable": "prompts",
    "Rollout": "rollouts",
    "activate": "activation",
    "agent": "agents",
    "annotate": "attributes",
    "bootstrap_path": "launch",
    "environment": "launch",
    "evaluate": "evaluations",
    "prompt": "prompts",
    "reward": "rewards",
    "rollout": "rollouts",
    "tool": "agents",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

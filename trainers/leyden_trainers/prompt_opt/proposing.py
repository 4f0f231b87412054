"""Critiques and edits of a prompt, from a language model.

A critique says in words what in the template makes rollouts earn little, and so where to go: a gradient made of text.
https://arxiv.org/abs/2305.03495
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from leyden_exporters.llm import Asked, Llm, LlmFailed, Useless
from leyden_store.prompts import variables_of

T = TypeVar("T")

_CRITIC = """You improve the prompt template that an agent works by. You are shown the template and some rollouts \
of the agent, with the reward each earned. Say in a few sentences what in the template makes the agent earn little in \
these rollouts, and what it should say instead. Be general: the template is for other tasks of the same kind too."""

_EDITOR = """You rewrite prompt templates. You are shown a template and a critique of it. Write a better template that \
heeds the critique. Keep every variable, written {{name}}, exactly once or more often, and add none. Answer with the \
template alone, between <prompt> and </prompt>."""

_WRITTEN = re.compile(r"<prompt>\s*(.*?)\s*</prompt>", re.DOTALL)


class BudgetSpent(Exception):
    """No more requests, or rollouts, may be made. Says of which."""


@dataclass(frozen=True, slots=True)
class Example:
    """A rollout that is shown. reward: None where it has none; error: why its agent failed."""

    transcript: str
    reward: float | None
    error: str = ""


@dataclass(slots=True)
class Proposer:
    """Asks for critiques and edits, in an order that a seed decides.

    tries:     requests for one of them, until one is of use
    max_calls: requests in all
    counts:    calls, tokens, and what went wrong, by kind
    """

    llm: Llm
    tries: int
    max_calls: int
    longest: int
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    last_failure: str = ""
    _asked: int = 0

    def __post_init__(self) -> None:
        self.llm = replace(self.llm, told=self._count)

    def critique(self, template: str, examples: Sequence[Example]) -> str | None:
        """What is wrong with a template; None when the model gave nothing of use. Raises BudgetSpent."""
        shown = "\n\n".join(f"<rollout reward={_told(one)}>\n{one.transcript}\n</rollout>" for one in examples)
        return self._ask(_CRITIC, f"<prompt>\n{template}\n</prompt>\n\n{shown}", _said)

    def edit(self, template: str, critique: str) -> str | None:
        """A template that heeds a critique; None when the model gave none of use. Raises BudgetSpent."""
        wanted = set(variables_of(template))

        def read(answer: str) -> str:
            found = _WRITTEN.search(answer)
            if found is None or not found[1]:
                raise Useless("the edit has no template between <prompt> and </prompt>")
            if set(variables_of(found[1])) != wanted:
                raise Useless(f"the edit must have the variables {', '.join(sorted(wanted)) or '(none)'}")
            if len(found[1]) > self.longest:
                raise Useless(f"the edit has {len(found[1]):,} characters; {self.longest:,} are allowed")
            return found[1]

        return self._ask(_EDITOR, f"<prompt>\n{template}\n</prompt>\n\n<critique>\n{critique}\n</critique>", read)

    def _ask(self, system: str, user: str, read: Callable[[str], T]) -> T | None:
        left = self.max_calls - self.counts["calls"]
        if left <= 0:
            raise BudgetSpent(f"the budget of {self.max_calls} requests to the model is spent")
        self._asked += 1
        seeds = [self.seed + 1000 * self._asked + number for number in range(min(self.tries, left))]
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        try:
            return self.llm.ask(messages, seeds, read)
        except LlmFailed as error:
            self.last_failure = str(error)
            self.counts["failed"] += 1
            return None

    def _count(self, one: Asked) -> None:
        self.counts["calls"] += 1
        self.counts["tokens"] += one.tokens
        if one.error:
            self.counts["errors"] += 1


def _said(answer: str) -> str:
    if not answer.strip():
        raise Useless("the critique is empty")
    return answer.strip()


def _told(one: Example) -> str:
    """The reward as the critic reads it."""
    if one.error:
        return f'"none" error="{one.error}"'
    return '"none"' if one.reward is None else f'"{one.reward:g}"'

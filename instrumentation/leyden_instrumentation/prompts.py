"""`prompt()`: a prompt of the collector's as a template; the spans begun after it is filled name it and its version.

`gen_ai.prompt.name` is OpenTelemetry's; for the version there is no convention, so it is `leyden.prompt.version`.
"""

from __future__ import annotations

import json
import os
import re
from contextvars import ContextVar, Token
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context

from leyden_instrumentation import settings

_VARIABLE = re.compile(r"\{\{\s*([^\W\d]\w*)\s*\}\}")
_KEY = context.create_key("leyden-prompt")
_entered: ContextVar[tuple[Token[Context], ...]] = ContextVar("leyden-prompts-entered", default=())


class PromptUnavailable(Exception):
    """The prompt cannot be had, and there is no fallback: no such prompt, or the collector is away. Says which."""


class VariableMissing(KeyError):
    """The template has a variable that was given no value."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version of a prompt.

    version: its number; "fallback" for the agent's own text; what an evaluation calls a text it tries
    text:    the template; `{{name}}` stands for a variable

    As a context manager it is what spans begun inside name, and only those.
    """

    name: str
    version: int | str
    text: str

    def fill(self, /, **values: Any) -> str:
        """The text with the values in place, each as `str` gives it. Values without a variable are left out.

        From here on the spans begun in this thread or task name this prompt, until another one is filled or the
        rollout ends. Raises VariableMissing.
        """
        missing = [name for name in dict.fromkeys(_VARIABLE.findall(self.text)) if name not in values]
        if missing:
            raise VariableMissing(f"the prompt {self.name!r} takes {', '.join(missing)}: give fill({missing[0]}=…)")
        self._mark()
        return _VARIABLE.sub(lambda found: str(values[found[1]]), self.text)

    def __str__(self) -> str:
        return self.fill()

    def __enter__(self) -> Prompt:
        _entered.set((*_entered.get(), self._mark()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        *outer, token = _entered.get()
        _entered.set(tuple(outer))
        context.detach(token)

    def _mark(self) -> Token[Context]:
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attributes({**self.attributes()})
        return context.attach(context.set_value(_KEY, self))

    def attributes(self) -> dict[str, str | int]:
        """What spans say of it."""
        return {"gen_ai.prompt.name": self.name, "leyden.prompt.version": self.version}


def prompt(
    name: str,
    *,
    label: str = "production",
    version: int | None = None,
    fallback: str | None = None,
    ttl: float = 60.0,
) -> Prompt:
    """The version of a prompt that a label names now, or the version of that number, from the collector.

        text = leyden.prompt("support", fallback="Answer {{customer}} briefly.").fill(customer=name)

    It is kept in this process: for `ttl` seconds nothing is asked, then whether it has changed. A collector that does
    not answer within two seconds is left alone for ten; meanwhile the text last had serves, else `fallback`.

    Raises PromptUnavailable where there is neither, and, without a fallback, when there is no such prompt.
    """
    pinned = _pinned(name)
    if pinned is not None:
        return pinned
    # Imported here: who asks for no prompt loads no HTTP client.
    from leyden_instrumentation import prompt_fetching

    try:
        return prompt_fetching.cache.get(name, label, version, ttl)
    except PromptUnavailable:
        if fallback is None:
            raise
        return Prompt(name, "fallback", fallback)


def attributes(ctx: Context | None = None) -> dict[str, str | int]:
    """What spans begun in this context say of the prompt in use."""
    used = context.get_value(_KEY, ctx)
    return used.attributes() if isinstance(used, Prompt) else {}


def _pinned(name: str) -> Prompt | None:
    """The text that the environment sets for this process in place of any version, as evaluations do."""
    given = os.environ.get(settings.PROMPTS)
    if not given:
        return None
    try:
        found = json.loads(given).get(name)
        return None if found is None else Prompt(name, found["version"], found["text"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        shape = '{"NAME": {"version": …, "text": "…"}}'
        raise PromptUnavailable(f"{settings.PROMPTS} is not {shape}: {error}") from error

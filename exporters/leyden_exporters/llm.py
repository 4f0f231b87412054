"""Asking a language model for a judgement, a critique, an edit: any OpenAI-compatible endpoint."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

_PAUSE_S = 0.5
_TIMEOUT_S = 120.0
_LONGEST_PAUSE_S = 30.0


class LlmFailed(Exception):
    """The model could not be asked, or gave nothing of use, as often as was tried."""


class Useless(Exception):
    """An answer that is not what was asked for; another may be."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and what came of it. error: "" when the answer was of use; tokens: those the server counted."""

    error: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Llm:
    """A model at an endpoint.

    url:  up to and with `/v1`
    key:  shown to it; "" is none
    told: called after every request
    """

    url: str
    model: str
    temperature: float = 0.7
    key: str = ""
    told: Callable[[Asked], None] = lambda _: None

    def ask(self, messages: Sequence[Mapping[str, str]], seeds: Iterable[int], read: Callable[[str], T]) -> T:
        """What `read` makes of the answer, which may raise Useless; another is asked for with the next seed then.

        So it is after a status that says to come again, or no answer; the pause doubles. Raises LlmFailed.
        """
        said, pause = "it was not asked", 0.0
        for seed in seeds:
            time.sleep(pause)
            pause = min(max(_PAUSE_S, 2 * pause), _LONGEST_PAUSE_S)
            tokens = 0
            try:
                answer, tokens = self._post(messages, seed)
                found = read(answer)
                self.told(Asked("", tokens))
                return found
            except urllib.error.HTTPError as error:
                with error:
                    said = f"HTTP {error.code}: {error.read(200).decode(errors='replace')}"
                self.told(Asked(f"HTTP {error.code}", 0))
                if error.code not in (408, 409, 429) and error.code < 500:
                    break
            except (OSError, ValueError) as error:
                said = str(error)
                self.told(Asked(type(error).__name__, 0))
            except Useless as error:
                said, pause = str(error), 0.0
                self.told(Asked("useless", tokens))
        raise LlmFailed(f"{self.model} at {self.url}: {said}")

    def _post(self, messages: Sequence[Mapping[str, str]], seed: int) -> tuple[str, int]:
        body = {"model": self.model, "messages": list(messages), "temperature": self.temperature, "seed": seed}
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        request = urllib.request.Request(  # noqa: S310 - a server the user named
            f"{self.url}/chat/completions", json.dumps(body).encode(), headers, method="POST"
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            found: Mapping[str, Any] = json.loads(answer.read())
        try:
            usage = found.get("usage") or {}
            return str(found["choices"][0]["message"]["content"]), int(usage.get("total_tokens") or 0)
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise Useless("the answer is no chat completion") from error


def key_of(*variables: str) -> str:
    """The first of these variables of the environment that is set."""
    return next((value for name in variables if (value := os.environ.get(name))), "")

"""Fetching prompts: one short request to the collector's API, kept for a while, asked again by its ETag."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from opentelemetry.instrumentation.utils import suppress_instrumentation

from leyden_instrumentation import collector_address
from leyden_instrumentation.prompts import Prompt, PromptUnavailable

PATIENCE = 2.0
"""Seconds an agent waits for a prompt."""

RETRY = 10.0
"""Seconds a collector that did not answer is left alone: an agent must not wait at every prompt."""

_LARGEST = 8_000_000

_log = logging.getLogger("leyden_instrumentation")


class _NotThere(PromptUnavailable):
    """The collector answered that it has no such prompt."""


@dataclass(slots=True)
class _Kept:
    prompt: Prompt | None = None
    tag: str = ""
    asked_at: float = 0.0
    failed_at: float = float("-inf")
    failure: str = ""


class Cache:
    """The prompts this process has had, by address, name and label or version."""

    def __init__(self, env: Mapping[str, str] = os.environ, now: Callable[[], float] = time.monotonic) -> None:
        self._env = env
        self._now = now
        self._kept: dict[tuple[str, str, str], tuple[threading.Lock, _Kept]] = {}
        self._lock = threading.Lock()

    def get(self, name: str, label: str, version: int | None, ttl: float) -> Prompt:
        """The prompt, at most `ttl` seconds old where the collector answers. Raises PromptUnavailable."""
        address = collector_address.api(self._env)
        which = {"label": label} if version is None else {"version": str(version)}
        url = f"{address.base}/api/prompts/{quote(name, safe='')}?{urlencode(which)}"
        with self._lock:
            lock, kept = self._kept.setdefault((address.base, name, str(which)), (threading.Lock(), _Kept()))
        with lock:  # of many threads one asks, the others have its answer
            now = self._now()
            if kept.prompt is not None and (version is not None or now - kept.asked_at < ttl):
                return kept.prompt
            if now - kept.failed_at >= RETRY:
                self._ask(url, address.headers, kept)
            if kept.prompt is None:
                raise PromptUnavailable(f"the prompt {name!r} cannot be had from {address.base}: {kept.failure}")
            return kept.prompt

    def _ask(self, url: str, headers: Mapping[str, str], kept: _Kept) -> None:
        """Bring `kept` up to date; what was had before stays where the collector is away."""
        try:
            found = _bounded(url, {**headers, **({"if-none-match": kept.tag} if kept.tag else {})})
        except PromptUnavailable as error:
            kept.failed_at, kept.failure = self._now(), str(error)
            if isinstance(error, _NotThere):
                kept.prompt = None
            if kept.prompt is not None:
                _log.warning("leyden: %s; version %s serves on", error, kept.prompt.version)
            return
        kept.asked_at, kept.failed_at = self._now(), float("-inf")
        if found is not None:
            kept.prompt, kept.tag = found


def _bounded(url: str, headers: Mapping[str, str]) -> tuple[Prompt, str] | None:
    """`_fetch` within PATIENCE, names that do not resolve and answers that trickle included."""
    said: list[tuple[Prompt, str] | PromptUnavailable | None] = []

    def run() -> None:
        try:
            said.append(_fetch(url, headers))
        except PromptUnavailable as error:
            said.append(error)

    thread = threading.Thread(target=run, name="leyden-prompt", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if not said:
        raise PromptUnavailable(f"no answer within {PATIENCE:g} s; is the collector up (`leyden up`)?")
    if isinstance(said[0], PromptUnavailable):
        raise said[0]
    return said[0]


def _fetch(url: str, headers: Mapping[str, str]) -> tuple[Prompt, str] | None:
    """The prompt and its ETag; None when it has not changed. Raises PromptUnavailable."""
    try:
        request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - the user's own collector
        with suppress_instrumentation(), urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
            found = json.loads(answer.read(_LARGEST))
            return Prompt(found["name"], found["version"], found["text"]), answer.headers.get("etag", "")
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 304:
                return None
            raise _refusal(error) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "reason", error)
        raise PromptUnavailable(f"{getattr(reason, 'strerror', None) or reason}") from error


def _refusal(error: urllib.error.HTTPError) -> PromptUnavailable:
    try:
        said = json.loads(error.read(_LARGEST))["error"]
        # Another server's 404 is no word about a prompt.
        kind = _NotThere if said["code"] == "prompt_not_found" else PromptUnavailable
        return kind(said["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return PromptUnavailable(f"HTTP {error.code}")


cache = Cache()
"""This process's."""
